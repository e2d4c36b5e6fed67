"""Unchanged scripts for Azure ML in real jobs on every Python: its Run is served on request."""

from __future__ import annotations

from pathlib import Path

from slurmtf import Run

from .jobs import Job, NewJob

SCRIPT = """\
import argparse, os, sys
import azureml.core
from azureml.core import Run
from azureml.core.run import Run as SameRun, _OfflineRun
assert Run is SameRun is azureml.core.Run
print("SDK version:", azureml.core.VERSION)
run = Run.get_context()
assert run is Run.get_context(allow_offline=False) is Run.get_submitted_run()
assert not isinstance(run, _OfflineRun) and run.id == os.environ["SLURMTF_RUN_ID"] and run.experiment.name
run.log("lr", 0.01, description="learning rate")
for value in (0.5, 0.25):
    run.log("loss", value)
run.log_list("l", [1, 2], "a list")
run.log_row("r", description="a row", x=1)
run.log_table("t", {"x": [1]}, "a table")
run.set_tags({"a": 1, "b": None})
with run.child_run("fold") as child:
    assert type(child) is Run
    child.log("loss", 1)
assert len(run.create_children(2)) == 2
os.makedirs("model/sub")
open("model/sub/w", "w").write("weights")
run.upload_folder("outputs/model", "model")
run.upload_files(["outputs/w"], ["model/sub/w"])
run.flush()
run.complete()
run.cancel()
run.fail("why")
"""
REFUSED = """\
import importlib, sys
from azureml.core import Run
for name in ("azureml.core.model", "azureml.train", "azureml.core.dataset"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as err:
        print(err)
try:
    from azureml.core import Workspace
except ImportError as err:
    print(err)
try:
    Run.get_context().get_environment()
except AttributeError as err:
    print(err)
"""


def streams(one: Job) -> str:
    """Return the script's output."""
    return "".join(Path(one.layout.task_log("main-0", stream)).read_text(errors="replace") for stream in ("out", "err"))


def test_a_script_runs_unchanged(job: NewJob, interpreter: str) -> None:
    one = job(SCRIPT, azureml=True)
    one.agent_python = one.python = interpreter
    assert one.run() == 0, streams(one)
    metrics = Run(one.folder).get_metrics()
    assert metrics == {"lr": 0.01, "loss": [0.5, 0.25], "l": [1, 2], "r": {"x": [1]}, "t": {"x": [1]}}
    assert Run(one.folder).tags == {"a": "1", "b": ""}
    assert (one.folder / "outputs/model/sub/w").read_text() == "weights"
    assert "Run.fail('why') changes nothing" in streams(one)


def test_what_is_not_served_is_named_in_the_error(job: NewJob, interpreter: str) -> None:
    one = job(REFUSED, azureml=True, silence=["missing-import"])
    one.agent_python = one.python = interpreter
    assert one.run() == 0, streams(one)
    lines = streams(one).splitlines()
    for name in (
        "azureml.core.model",
        "azureml.train",
        "azureml.core.dataset",
        "azureml.core.Workspace",
        "Run.get_environment",
    ):
        message = f"slurmtf serves azureml.core.Run to this script, not {name}: install azureml-core in the job's environment"
        assert any(message in line for line in lines), name


def test_azureml_is_served_only_on_request(job: NewJob) -> None:
    one = job("import azureml.core\n", silence=["missing-import"])
    assert one.run() == 1
    assert "No module named 'azureml'" in streams(one)


INSTALLED = {"azureml/__init__.py": "", "azureml/core/__init__.py": "class Run: real = True\n"}
ASKS = """\
from azureml.core import Run
assert Run.real
try:
    import azureml.train
except ImportError as err:
    print(err)
"""


def test_an_installed_azureml_takes_precedence(job: NewJob) -> None:
    one = job(ASKS, INSTALLED, azureml=True)
    assert one.run() == 0, streams(one)
    assert streams(one) == "No module named 'azureml.train'\n"
