"""Commands that submit, killed at each of their steps: nothing is lost, no job lacks its run, and none exists twice."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus, uniform
from slurmtf.environments import EnvironmentStore
from slurmtf.runs.states.records import read_records
from slurmtf.runs.workspaces.workspace import list_run_folders
from slurmtf.sites import load
from slurmtf.submit.submission import tidy
from slurmtf.submit.tools import Toolbox
from tests.patience import HANG_S

from . import killed
from .support import HELLO, Lab, call, wait_until_ended
from .test_killed_clients import two_hours_later
from .test_sweeps import QUICK, finished, sweep

pytestmark = pytest.mark.slurm

SWEEP = """
estimator: {entry_script: train.py, compute_target: slurm}
sampling: {type: random, seed: 1, parameter_space: {x: {uniform: [0, 1]}}}
primary_metric_name: score
primary_metric_goal: maximize
max_total_runs: 2
max_concurrent_runs: 2
"""
MOST_STEPS = 50


def outlives(step: int, since: str, folder: Path, words: Sequence[str | Path]) -> bool:
    """Run a command, and tell whether it ends before that step."""
    assert step < MOST_STEPS
    argv = [sys.executable, killed.__file__, str(step), since, folder, *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


def jobs_in(folder: Path, states: str = "all") -> set[str]:
    """Return the jobs that work in a folder, according to Slurm."""
    lines = call("squeue", "--noheader", f"--states={states}", "--format=%F|%Z").splitlines()
    return {job for job, _, where in (line.partition("|") for line in lines) if where == str(folder)}


def recorded(run: Run) -> set[str]:
    return {job.ref.job_id for job in read_records(run.layout).jobs}


@pytest.mark.parametrize("name", ["run", "rerun", "sweep submit"])
def test_a_submission(lab: Lab, name: str) -> None:
    source = lab.source(QUICK if name == "sweep submit" else HELLO)
    (source / "sweep.yaml").write_text(SWEEP)
    words: dict[str, list[str | Path]] = {
        "run": ["run", source / "train.py", "-s", "slurm"],
        "rerun": ["rerun", lab.submit(HELLO).id] if name == "rerun" else [],
        "sweep submit": ["sweep", "submit", source / "sweep.yaml"],
    }
    before = set(list_run_folders([lab.workspace]))
    for step in itertools.count():
        is_over = outlives(step, "sbatch", lab.workspace, [*words[name], "--workspace", lab.workspace])
        listed = {one["id"] for one in lab.data("ls") if one["job_id"]}
        assert len(listed) == len(before) + step  # the first one was killed just before its sbatch
        if is_over:
            break
    two_hours_later(lab.workspace)
    tidy(lab.workspace)
    runs = [Run(folder) for folder in list_run_folders([lab.workspace]) if folder not in before]
    assert len(runs) == step > 1
    assert {state.status for state in wait_until_ended(*runs)} == {RunStatus.COMPLETED}
    for run in runs:
        assert len(recorded(run)) == 1
        assert recorded(run) == jobs_in(run.folder)
    assert not list(lab.workspace.glob(".slurmtf/intents/*"))


def test_a_sweep_that_is_resumed(lab: Lab) -> None:
    run = sweep(lab, QUICK, {"x": uniform(0, 1)}, 1, elements=1)
    command: list[str | Path] = ["sweep", "resume", run.id, "--workspace", lab.workspace, "--max-total-runs"]
    counts = [len(jobs_in(run.folder))]
    finished(run)
    for step in itertools.count():
        is_over = outlives(step, "-", run.folder, [*command, str(step + 2)])
        assert run.state.status is not RunStatus.NOT_STARTED
        assert recorded(run) == jobs_in(run.folder), step
        counts.append(len(recorded(run)))
        assert finished(run) is RunStatus.COMPLETED or counts[-1] == counts[-2]
        two_hours_later(run.folder)
        if is_over:
            break
    assert [trial.result is not None for trial in run.facts.trials] == [True] * (step + 2)
    assert not Path(run.layout.submitting).exists()
    assert counts[1] == 1, "killed at its first step"
    assert counts[-3:] == list(range(counts[-3], counts[-3] + 3)), "killed after sbatch, and not killed"


def test_jobs_of_our_own_programs(lab: Lab) -> None:
    """Jobs like those of export and score: the next command waits for the job instead of submitting another one."""
    toolbox = Toolbox(load("slurm"), EnvironmentStore(lab.folder / "store"), print)
    counts = []
    for step in itertools.count():
        folder = lab.folder / f"tool-{step}"
        is_over = outlives(step, "-", folder, ["tool", folder])
        left = {job.ref.job_id for job in toolbox.find_earlier(folder)}
        assert left == jobs_in(folder, "PENDING")
        counts.append(len(left))
        if is_over:
            break
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-3:] == [1, 1, 1]
