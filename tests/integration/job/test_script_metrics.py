"""A script logs in real jobs, on every Python, without slurmtf installed; its metrics are read from outside."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from slurmtf.job.contract.layout import RunLayout
from tests.patience import HANG_S

from .jobs import Job, NewJob

BARE = str(Path(sys.executable).resolve())
"""A Python without slurmtf: this one's, outside of its virtual environment."""

LOG = """\
import os, sys, threading
from slurmtf import Run
run = Run.get_context()
assert run is Run.get_context() and run.id == os.environ["SLURMTF_RUN_ID"]
for step in range(3):
    run.log("loss", 1.0 / (step + 1), step=step)
run.log("accuracy", 0.5)
run.log("ünïcode ☃", float("inf"))
run.log_list("l", [1, 2])
run.log_row("r", x=1, y=2)
run.log_row("r", x=3)
run.log_table("t", {"x": [1, 2], "y": ["a", "b"]})
run.log_confusion_matrix("m", {"schema_type": "confusion_matrix", "schema_version": "1.0.0", "data": {"matrix": [[1]]}})
open("a.png", "wb").write(b"PNG")
run.log_image("an image", path="a.png")
class Plot:
    def savefig(self, file, format):
        file.write(format.encode())
run.log_image("a plot", plot=Plot())
run.tag("best", "yes")
run.tag("done")
run.upload_file("outputs/sub/model", "a.png")
run.upload_file("model", open("a.png", "rb"))
with run.child_run("fold 1") as child:
    child.log("loss", 7)
assert run.get_metrics()["l"] == [1, 2], run.get_metrics()
assert run.get_metrics("accuracy") == {"accuracy": 0.5}
child = os.fork()
if not child:
    Run.get_context().log("fork", 1)
    os._exit(0)
os.waitpid(child, 0)
for wrong in (lambda: run.log("a", [1]), lambda: run.log(1, 1), lambda: run.log("a", 1, step="b"), lambda: run.log_image("a"),
              lambda: run.log_image("a", plot=1)):
    try:
        wrong()
    except TypeError as err:
        print("refused:", err)
for name in ("../a", "/a", "", "a/../../b"):
    try:
        run.upload_file(name, "a.png")
        raise SystemExit("taken: " + name)
    except ValueError:
        pass
"""
SHAPES = {
    "loss": [1.0, 0.5, 1.0 / 3],
    "accuracy": 0.5,
    "ünïcode ☃": float("inf"),
    "l": [1, 2],
    "r": {"x": [1, 3], "y": [2, None]},
    "t": {"x": [1, 2], "y": ["a", "b"]},
    "m": {"schema_type": "confusion_matrix", "schema_version": "1.0.0", "data": {"matrix": [[1]]}},
    "fork": 1,
}


def test_logged_metrics_are_read_in_the_shapes_of_azure_ml(job: NewJob, interpreter: str) -> None:
    one = job(LOG)
    one.agent_python = one.python = interpreter
    assert one.run(LC_ALL="C", PYTHONIOENCODING="utf-8") == 0, errors(one.layout)
    run = Run(one.folder)
    found = run.get_metrics()
    images = {name: (one.folder / found.pop(name)).read_bytes() for name in ("an image", "a plot")}
    assert images == {"an image": b"PNG", "a plot": b"png"}
    assert found == SHAPES
    assert run.get_metrics("accuracy") == {"accuracy": 0.5}
    assert run.get_metrics("loss", all_ranks=True) == {"main-0": {"loss": SHAPES["loss"]}}
    recursive = run.get_metrics("loss", recursive=True)
    assert recursive == {run.id: {"loss": SHAPES["loss"]}, f"{run.id}_fold_1": {"loss": 7}}
    assert run.tags == {"best": "yes", "done": ""}
    assert {"outputs/sub/model", "outputs/model"} <= set(run.get_file_names())
    assert Path(one.layout.task_log("main-0", "out")).read_text().count("refused:") == 5
    private = {
        path.lstat().st_mode & 0o077
        for path in one.folder.rglob("*")
        if not {"work", "__pycache__"} & {*path.parts} and not path.is_symlink()
    }
    assert private == {0}


def errors(layout: RunLayout) -> str:
    return Path(layout.task_log("main-0", "err")).read_text(errors="replace")


WRONG = """\
from slurmtf import Run
run = Run.get_context()
run.log(
    "loss", None)
"""


def bare(one: Job) -> Job:
    one.python = BARE
    return one


def test_a_wrong_type_is_an_error_in_the_line_of_the_script(job: NewJob) -> None:
    one = bare(job(WRONG))
    assert one.run() == 1
    stderr = errors(one.layout)
    assert 'train.py", line 3' in stderr
    assert "TypeError: 'loss': NoneType" in stderr


INSTALLED = {"slurmtf/__init__.py": "class Run:\n    get_context = staticmethod(lambda: 'installed')\n"}


def test_an_installed_slurmtf_is_not_hidden(job: NewJob) -> None:
    one = job("from slurmtf import Run\nprint(Run.get_context())", INSTALLED)
    assert one.run() == 0, errors(one.layout)
    assert Path(one.layout.task_log("main-0", "out")).read_text() == "installed\n"


def test_an_installed_slurmtf_logs_the_same(job: NewJob) -> None:
    one = job("from slurmtf import Run\nRun.get_context().log('loss', 1)\nimport slurmtf; print(slurmtf.__file__)")
    package = Path(__file__).parents[3]
    assert one.run(PYTHONPATH=str(package)) == 0, errors(one.layout)
    assert Path(one.layout.task_log("main-0", "out")).read_text() == f"{package}/slurmtf/__init__.py\n"
    assert Run(one.folder).get_metrics() == {"loss": 1}


MORE = """\
import sys
try:
    from slurmtf import TensorFlow
except ImportError as err:
    print(err)
print([entry for entry in sys.path if entry.endswith("agent.pyz")])
"""


def test_names_not_served_are_missing_and_sys_path_stays_the_scripts(job: NewJob) -> None:
    one = bare(job(MORE))
    assert one.run() == 0, errors(one.layout)
    refused, path = Path(one.layout.task_log("main-0", "out")).read_text().splitlines()
    assert "cannot import name 'TensorFlow'" in refused
    assert path == "[]"


CUSTOM = {"sitecustomize.py": "import builtins\nbuiltins.customized = 'by the source'\n"}


def test_the_scripts_own_sitecustomize_runs_as_well(job: NewJob) -> None:
    one = bare(job("from slurmtf import Run\nRun.get_context().log('who', customized)", CUSTOM))
    assert one.run() == 0, errors(one.layout)
    assert Run(one.folder).get_metrics() == {"who": "by the source"}


GONE = """\
import os, shutil
from slurmtf import Run
folder = os.environ["SLURMTF_RUN_FOLDER"]
shutil.rmtree(folder + "/metrics")
open(folder + "/metrics", "w").close()
run = Run.get_context()
for n in range(100):
    run.log("loss", n)
run.log_image("gone", path="nowhere.png")
run.upload_file("outputs/a", "nowhere")
"""


def test_a_missing_run_folder_does_not_end_the_training(job: NewJob) -> None:
    one = bare(job(GONE))
    assert one.run() == 0, errors(one.layout)
    assert errors(one.layout).count(f"main-0.jsonl: {os.strerror(errno.ENOTDIR)}") == 1


def test_a_later_attempt_appends(job: NewJob) -> None:
    one = bare(job("from slurmtf import Run\nRun.get_context().log('loss', 1)"))
    assert [one.run(SLURM_RESTART_COUNT=str(n)) for n in range(2)] == [0, 0]
    assert Run(one.folder).get_metrics() == {"loss": [1, 1]}


@pytest.mark.parametrize(
    "code", [LOG.partition("assert")[0] + LOG[LOG.index("for step") : LOG.index("assert run.get_metrics")]]
)
def test_outside_a_run_metrics_are_printed(code: str, tmp_path: Path) -> None:
    done = outside(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("log 'loss': 1.0, step 0")
    assert lines[-1].endswith("log 'loss': 7")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def outside(code: str, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    package = str(Path(__file__).parents[3])
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False)
