"""Trials side by side in an element, and one that is preempted and goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf import Experiment, GridParameterSampling, RunStatus, Sweep, TensorFlow, choice
from slurmtf.job.contract.sweep import COMPLETED
from slurmtf.tune.run import SweepRun

from .support import SECONDS, Lab, call, until

pytestmark = pytest.mark.slurm

LOG = """
import argparse, os, pathlib, time
from slurmtf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--resume-from")
arguments = parser.parse_args()
def log(value):
    Run.get_context().log("score", value)
"""


def submitted(lab: Lab, script: str, xs: list[int], estimator: dict[str, Any], **settings: Any) -> SweepRun:
    wanted = TensorFlow(lab.source(script), **{"compute_target": lab.target, "time": 5, **estimator})
    sweep = Sweep(wanted, GridParameterSampling({"x": choice(xs)}), "score", "maximize", len(xs), **settings)
    return Experiment("trials", lab.workspace).submit(sweep)  # type: ignore[return-value]


def completed(run: SweepRun) -> None:
    until(lambda: run.state.status.final, f"the end of {run.id}", 2 * SECONDS)
    assert run.state.status is RunStatus.COMPLETED, run.state.message
    assert {trial.result.status for trial in run.facts.trials if trial.result} == {COMPLETED}


SIDE_BY_SIDE = (
    LOG
    + """
began = time.time()
time.sleep(2)
log(arguments.x)
print(began, time.time(), os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"])
"""
)
# Says that it is there; started again, it goes on from what it had saved.
SAVES = (
    LOG
    + """
state = pathlib.Path(arguments.resume_from or "outputs", "state")
if state.exists():
    log(arguments.x + int(state.read_text()))
else:
    pathlib.Path("outputs/state").write_text("10")
    time.sleep(300)
"""
)


def test_trials_share_the_gpus_of_an_element_and_survive_preemption(lab: Lab) -> None:
    low = {"partition": "low", "exclusive": True, "sbatch": {"nodelist": "node3", "requeue": True}}
    preempted = submitted(lab, SAVES, [1], low, resume_trials=True)
    gpus = {"gpus_per_node": 2, "cpus_per_task": 2, "sbatch": {"nodelist": "node1"}}
    shared = submitted(lab, SIDE_BY_SIDE, [1, 2, 3, 4], gpus, trials_per_element=2, elements=1)
    until((preempted.folder / "trials/0/outputs/state").exists, "what the trial has saved")
    call("sbatch", "--partition=high", "--exclusive", "--nodelist=node3", "--output=/dev/null", "--wrap=true")

    completed(shared)
    told = [(Path(child.layout.logs) / "main-0.out").read_text().split() for child in shared.get_children()]
    assert {threads for *_, threads in told} == {"1"}
    assert sorted(devices for _, _, devices, _ in told) == ["0", "0", "1", "1"]
    spans = sorted((float(began), float(ended), devices) for began, ended, devices, _ in told)
    assert spans[1][0] < spans[0][1], "the second one began after the first one's end"
    assert spans[0][2] != spans[1][2]

    completed(preempted)
    (trial,) = preempted.facts.trials
    assert (trial.curve, trial.attempt) == ((11.0,), 1)
