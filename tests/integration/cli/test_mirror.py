"""A run mirrored to a real MLflow server and database: while it runs, afterwards, and again; nothing is duplicated."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Experiment, GridParameterSampling, Run, Sweep, TensorFlow, choice
from tests.patience import HANG_S, until

from .conftest import Submit

ROOT = Path(__file__).parents[3]
MIRROR = "from slurmtf.cli import main; main()"
ASK = """
import json, sys
from mlflow import MlflowClient, artifacts
client = MlflowClient()
(experiment,) = client.search_experiments(filter_string=f"name = '{sys.argv[2]}'")
found = {}
for one in client.search_runs([experiment.experiment_id]):
    history = {key: [[p.step, p.value] for p in client.get_metric_history(one.info.run_id, key)] for key in one.data.metrics}
    place = artifacts.download_artifacts(run_id=one.info.run_id, dst_path=sys.argv[1] + one.info.run_id)
    found[one.info.run_name] = dict(
        id=one.info.run_id, status=one.info.status, metrics=history, params=one.data.params, tags=one.data.tags, place=place,
        start=one.info.start_time, end=one.info.end_time)
print(json.dumps(found))
"""
SERVE = """
import os, sys
store, files = f"sqlite:///{sys.argv[1]}/mlflow.db", f"{sys.argv[1]}/files"
given = {"FILE_STORE": store, "REGISTRY_STORE": store, "ARTIFACT_ROOT": "mlflow-artifacts:/", "ARTIFACT_DESTINATION": files}
os.environ.update({f"_MLFLOW_SERVER_{name}": value for name, value in {**given, "SERVE_ARTIFACTS": "true"}.items()})
from mlflow.server import app
from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""
TRAINS = """
from slurmtf import Run
run = Run.get_context()
run.log("loss", 1.0, step=0)
run.log("loss", float("nan"), step=1)
run.log("rate (learning)", 0.1)
run.log_row("best", epoch=1, loss=0.5)
run.tag("converged", "no")
run.child_run("fold").log("loss", 7.0)
open("outputs/model.txt", "w").write("half")
while not os.path.exists("outputs/go"):
    time.sleep(0.1)
run.log("loss", 0.4, step=2)
run.log("loss", 0.5, step=2)
run.tag("converged", "yes")
open("outputs/model.txt", "w").write("whole")
"""


def called(python: Path, uri: str, folder: Path, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": uri, **more}
    return subprocess.run(
        [python, *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False
    )


class Mlflow:
    def __init__(self, python: Path, folder: Path, uri: str = "") -> None:
        self.python, self.folder, self.uri = python, folder, uri or f"sqlite:///{folder}/mlflow.db"

    def mirror(self, run: Run, *words: str) -> dict[str, Any]:
        """Run `slurmtf mirror` on one run and return its output."""
        done = called(self.python, self.uri, self.folder, "-c", MIRROR, "mirror", str(run.folder), *words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        (found,) = json.loads(done.stdout)["data"]["runs"]
        return dict(found)

    def runs(self, experiment: str = "views") -> dict[str, Any]:
        """Return all that MLflow has of an experiment, by run name."""
        done = called(self.python, self.uri, self.folder, "-c", ASK, f"{self.folder}/got-", experiment)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def tracked(mlflow: Path, tmp_path: Path) -> Mlflow:
    return Mlflow(mlflow, tmp_path)


@pytest.fixture
def served(mlflow: Path, tmp_path: Path) -> Iterator[Mlflow]:
    """Behind a server of its own, over HTTP."""
    with subprocess.Popen([mlflow, "-c", SERVE, tmp_path], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield Mlflow(mlflow, tmp_path, f"http://127.0.0.1:{int(server.stdout.readline())}")
        server.kill()


def test_a_run_is_mirrored_while_it_runs_and_afterwards_without_duplicates(served: Mlflow, submit: Submit) -> None:
    tracked = served
    run = submit(TRAINS, script_params={"--lr": 0.1})
    until((run.folder / "outputs/model.txt").exists, "what was logged")
    first = tracked.mirror(run)
    assert (first["values"], first["experiment"]) == (6, "views")
    during = tracked.runs()
    assert {name: one["status"] for name, one in during.items()} == {run.id: "RUNNING", f"{run.id}_fold": "RUNNING"}
    assert during[run.id]["tags"]["converged"] == "no"
    assert [path.name for path in Path(during[run.id]["place"]).iterdir()] == ["receipt.json"]
    (run.folder / "outputs/go").touch()
    second = tracked.mirror(run, "--follow")
    again = tracked.mirror(run)
    assert (second["run_id"], again["run_id"]) == (first["run_id"], first["run_id"])
    assert (again["values"], again["files"]) == (0, 0)
    after = tracked.runs()
    own, fold = after[run.id], after[f"{run.id}_fold"]
    assert len(after) == 2
    assert [one["status"] for one in (own, fold)] == ["FINISHED", "FINISHED"]
    assert [step for step, _ in own["metrics"]["loss"]] == [0, 1, 2, 2]
    (learning,) = [key for key in own["metrics"] if key.startswith("rate _learning_-")]
    assert own["metrics"][learning] == [[1, 0.1]]
    assert own["metrics"]["best/loss"] == [[1, 0.5]]
    assert own["params"]["lr"] == "0.1"
    wanted = {"converged": "yes", "slurmtf.run": run.id, "slurmtf.status": "Completed"}
    assert {name: own["tags"][name] for name in wanted} == wanted
    assert own["end"] >= own["start"] > 0
    assert fold["tags"]["mlflow.parentRunId"] == own["id"]
    assert fold["metrics"] == {"loss": [[1, 7.0]]}
    assert Path(own["place"], "outputs/model.txt").read_text() == "whole"
    assert json.loads(Path(own["place"], "receipt.json").read_text())["tags"] == {}


@pytest.mark.parametrize(("listens", "reason"), [(False, "Connection refused"), (True, "timed out")], ids=["away", "silent"])
def test_an_unreachable_server_is_an_error_and_a_later_mirror_completes_it(
    tracked: Mlflow, submit: Submit, listens: bool, reason: str
) -> None:
    run = submit("log('loss', 1.0, 0)")
    run.wait_for_completion()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        if listens:
            nobody.listen()
        uri = f"http://me:pass@127.0.0.1:{nobody.getsockname()[1]}"
        words = ("-c", MIRROR, "mirror", str(run.folder), "--json")
        patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
        done = called(tracked.python, uri, tracked.folder, *words, **patience)
    (finding,) = json.loads(done.stdout)["error"]["findings"]
    assert (done.returncode, finding["code"], finding["where"]) == (1, "mlflow-failed", run.id)
    assert reason in finding["what"]
    assert "pass" not in finding["what"]
    assert listens or tracked.mirror(run)["values"] == 1


PYTHON = """
import sys
from slurmtf import Run
run = Run(sys.argv[1])
print(run.mirror(), run.mirror(follow=True), run.mirror(all_ranks=True))
"""


SCORES = """
import sys
from slurmtf import Run
run = Run.get_context()
run.log("score", float(sys.argv[2]))
run.child_run("fold").log("inner", 10 * float(sys.argv[2]))
"""


def test_a_sweep_is_mirrored_from_python_with_its_trials_and_their_child_runs(tracked: Mlflow, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCORES)
    wanted = TensorFlow(tmp_path, entry_script="train.py", compute_target="local")
    sweep = Sweep(wanted, GridParameterSampling({"x": choice(1, 2)}), "score", "maximize", 2)
    run = Experiment("tune", tmp_path / "runs").submit(sweep)
    run.wait_for_completion()
    done = called(tracked.python, tracked.uri, tracked.folder, "-c", PYTHON, str(run.folder))
    assert len(set(done.stdout.split())) == 1, done.stderr
    found = tracked.runs("tune")
    assert found[run.id]["id"] == done.stdout.split()[0]
    of_trials = {f"{run.id}_0": {"score": [[1, 1.0]]}, f"{run.id}_1": {"score": [[1, 2.0]]}}
    of_children = {f"{run.id}_0_fold": {"inner": [[1, 10.0]]}, f"{run.id}_1_fold": {"inner": [[1, 20.0]]}}
    assert {name: one["metrics"] for name, one in found.items()} == {run.id: {}, **of_trials, **of_children}
    assert {one["status"] for one in found.values()} == {"FINISHED"}
    assert {one["tags"].get("mlflow.parentRunId") for name, one in found.items() if name != run.id} == {found[run.id]["id"]}
    assert [found[name]["params"] for name in of_trials] == [{"x": "1"}, {"x": "2"}]
