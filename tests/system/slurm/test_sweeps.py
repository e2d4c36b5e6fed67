"""Sweeps on Slurm: each trial is done exactly once, whatever happens to the elements that run them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from slurmtf import (
    BanditPolicy,
    Experiment,
    GridParameterSampling,
    RandomParameterSampling,
    RunStatus,
    Sweep,
    TensorFlow,
    choice,
    uniform,
)
from slurmtf.job.contract.sweep.leases import STALE_S
from slurmtf.job.contract.sweep.records import CANCELED, COMPLETED, FAILED
from slurmtf.tune.run import SweepRun
from tests.patience import until

from .support import Lab, call

pytestmark = pytest.mark.slurm

# Logs its metric like a training script, without TensorFlow.
LOG = """
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--y", type=float, default=0)
parser.add_argument("--resume-from")
arguments = parser.parse_args()
from slurmtf import Run
def log(value, name="score"):
    Run.get_context().log(name, value)
"""
QUICK = LOG + "log(arguments.x)\n"


def sweep(lab: Lab, script: str, space: Any, total: int, **settings: Any) -> SweepRun:
    grid = all(one.name == "choice" for one in space.values())
    sampling = GridParameterSampling(space) if grid else RandomParameterSampling(space, seed=1)
    kept = {name: settings.pop(name) for name in list(settings) if name in ESTIMATORS}
    estimator = TensorFlow(lab.source(script), **{"compute_target": lab.target, **kept})
    return Experiment("sweep", lab.workspace).submit(Sweep(estimator, sampling, "score", "maximize", total, **settings))  # type: ignore[return-value]


ESTIMATORS = (
    "partition",
    "time",
    "node_count",
    "sbatch",
    "vm_priority",
    "compute_target",
    "process_count_per_node",
    "distributed_backend",
)


def finished(run: SweepRun) -> RunStatus:
    def state() -> Any:
        found = run.state
        return found if found.status.final else None

    status: RunStatus = until(state, f"the end of {run.id}").status
    return status


def folders(run: SweepRun) -> set[str]:
    return {path.name for path in (run.folder / "trials").iterdir()}


def test_a_grid_on_six_elements_runs_each_point_once(lab: Lab) -> None:
    run = sweep(lab, QUICK, {"x": choice(1, 2, 3, 4, 5), "--y": choice(10, 20, 30, 40, 50)}, 100, elements=6)
    assert len(list((run.folder / "sweep").iterdir())) == 2  # however many trials there are
    assert finished(run) is RunStatus.COMPLETED
    done = [trial.result for trial in run.facts.trials if trial.result]
    assert Counter(result.status for result in done) == {COMPLETED: 25}
    assert len({tuple(trial.point.values.items()) for trial in run.facts.trials}) == 25
    assert folders(run) == {str(number) for number in range(25)}
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.best == best.get_hyperparameters()["x"] == 5
    assert len({result.element for result in done}) > 1
    assert [row["status"] for row in lab.data("ls")] == ["Completed"]  # as a single run


# Restarted, it continues where it was. The first time, some trials wait to be interrupted.
STEPS = (
    LOG
    + """
state = pathlib.Path("outputs/step")
assert arguments.resume_from or not state.exists(), "a trial that starts again is told where its outputs are"
first = int((pathlib.Path(arguments.resume_from) / "step").read_text()) if state.exists() else 0
for step in range(first, 6):
    log(arguments.x + step)
    state.write_text(str(step + 1))
    time.sleep(0.1)
    if step == 2 and not arguments.resume_from and os.environ["SLURMTF_TRIAL"] in ("1", "6", "9", "12"):
        pathlib.Path("outputs/waits").touch()
        time.sleep(3600)
"""
)


def owner(run: SweepRun, trial: int) -> str:
    """Wait until a trial waits to be interrupted, and return the job of its element."""
    until((run.folder / f"trials/{trial}/outputs/waits").exists, f"trial {trial}")
    return str(json.loads((run.folder / f"sweep/leases/{trial}.0").read_text())["job"])


def taken_over_after(run: SweepRun, lease: str) -> float:
    """Return the seconds from the last sign of life of a trial's owner until another element took the trial."""
    trial, attempt = map(int, lease.split("."))
    recorded = [
        json.loads(line) for path in (run.folder / "sweep/elements").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    took = [one for one in recorded if one["kind"] == "took" and one["trial"] == trial and one.get("attempt", 0) == attempt + 1]
    return float(took[0]["time"]) - (run.folder / "sweep/leases" / lease).stat().st_mtime


KILLED = (1, 6)


def test_trials_survive_kills_and_requeues_and_are_counted_once(lab: Lab) -> None:
    run = sweep(lab, STEPS, {"x": uniform(0, 1)}, 24, max_concurrent_runs=6, elements=12, resume_trials=True)
    for trial in KILLED:
        call("scancel", "--batch", "--signal=KILL", owner(run, trial))  # the batch script becomes the supervisor
    call("scancel", owner(run, 9))
    call("scontrol", "requeue", owner(run, 12))
    assert finished(run) is RunStatus.COMPLETED
    results = [trial.result for trial in run.facts.trials if trial.result]
    assert [(result.trial, result.status) for result in results] == [(number, COMPLETED) for number in range(24)]
    steps = [(len(trial.curve), trial.attempt) for trial in run.facts.trials]
    assert all(6 <= count <= 6 + again for count, again in steps)  # at most the step in which it was killed is repeated
    assert {result.trial for result in results if result.attempt} == {*KILLED, 9, 12}
    assert all(taken_over_after(run, f"{trial}.0") > STALE_S for trial in KILLED)


# The trial with x=100 logs at once; the others log after it.
BEHIND_THE_BEST = (
    LOG
    + """
best = pathlib.Path(os.environ["SLURMTF_RUN_FOLDER"], "trials", "2", "metrics", "main-0.jsonl")
for step in range(8):
    while arguments.x < 100 and not (best.exists() and len(best.read_text().splitlines()) == 8):
        time.sleep(0.1)
    time.sleep(2 * (arguments.x < 100))
    log(arguments.x * (step + 1))
"""
)


def test_a_policy_stops_trials_across_elements(lab: Lab) -> None:
    run = sweep(lab, BEHIND_THE_BEST, {"x": choice(1, 2, 100)}, 3, policy=BanditPolicy(slack_factor=0.5, delay_evaluation=2))
    assert finished(run) is RunStatus.COMPLETED
    results = [trial.result for trial in run.facts.trials if trial.result]
    assert [(result.status, result.why) for result in results] == [(CANCELED, "policy")] * 2 + [(COMPLETED, "")]
    assert all(2 <= result.values < 8 for result in results[:2])
    assert "Canceled by policy" in lab.slurmtf("sweep", "status", run.id).stdout


def test_repeated_errors_stop_the_sweep_with_that_error(lab: Lab) -> None:
    run = sweep(lab, 'import sys\nprint("ValueError: no data", file=sys.stderr)\nsys.exit(3)\n', {"x": uniform(0, 1)}, 60,
                max_concurrent_runs=2)  # fmt: skip
    assert finished(run) is RunStatus.FAILED
    assert run.facts.count(FAILED) < 20
    assert "ValueError: no data" in lab.slurmtf("sweep", "status", run.id).stdout


def test_a_metric_never_logged_is_reported_with_the_names_that_were(lab: Lab) -> None:
    run = sweep(lab, LOG + 'log(1, "loss")\nlog(2, "acc")\n', {"x": choice(1, 2)}, 2)
    assert finished(run) is RunStatus.COMPLETED
    output = lab.slurmtf("sweep", "status", run.id).stdout
    assert ("'score'" in output, "acc, loss" in output) == (True, True)
    assert run.get_best_run_by_primary_metric() is None
    assert [child["best_primary_metric"] for child in run.get_children_sorted_by_primary_metric()] == [None, None]


# The first trial ends at once, the others once there is a file `go`.
HELD = (
    LOG
    + """
log(arguments.x)
run = pathlib.Path(os.environ["SLURMTF_RUN_FOLDER"])
while os.environ["SLURMTF_TRIAL"] != "0" and not (run / "go").exists():
    time.sleep(0.1)
"""
)


def test_a_canceled_sweep_is_resumed(lab: Lab) -> None:
    run = sweep(lab, HELD, {"x": uniform(0, 1)}, 6, max_concurrent_runs=2)
    until(lambda: run.facts.done == 1 and run.facts.running == 2, "the end of the first trial, and two more")
    lab.data("sweep", "cancel", run.id)
    assert finished(run) is RunStatus.CANCELED
    assert run.facts.done < 6
    (run.folder / "go").touch()
    lab.data("sweep", "resume", run.id, "--max-total-runs", "8")
    assert finished(run) is RunStatus.COMPLETED
    assert (run.facts.done, run.facts.count(COMPLETED)) == (8, 8)
