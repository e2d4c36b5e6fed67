"""A run that is canceled, in each phase of its life."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, ParameterServer, Run, RunStatus, TensorFlow
from slurmtf.experiments import Experiment
from slurmtf.job.contract.plan import Timings
from slurmtf.sites import load
from slurmtf.sites.model import JobEnvironment
from tests.patience import until
from tests.system.slurm.support import read_journal

from .support import ACTOR, Faults, end_of, find_time, gated_python, wait_for_process, wait_for_scripts

pytestmark = pytest.mark.slurm

PAIR = ParameterServer(1, 1, layout="original")
FILES = 2000
STOPS = "(until [ -s journal/*.jsonl ]; do :; done; kill -STOP $$) &"
"""Runs in the background, and stops the supervisor (which the batch script becomes) as soon as its journal has an event."""
TARGETS = {"slurm": 2, "local": 1}
SLOW = """
def slowly(number, frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(5)
    sys.exit(0)
signal.signal(signal.SIGTERM, slowly)
serve()
"""


def assert_canceled(run: Run) -> None:
    state = end_of(run)
    assert (state.status, state.cause, state.exit_status) == (RunStatus.CANCELED, "canceled", 130), state


def events(run: Run) -> set[str]:
    return {event["event"] for event in read_journal(run)}


def stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_pending_run_is_canceled(faults: Faults) -> None:
    run = faults.submit(PAIR, {}, node_count=2, sbatch={"hold": True})
    until(lambda: run.state.status is RunStatus.QUEUED, "the run in the queue")
    run.cancel()
    assert_canceled(run)
    assert not Path(run.layout.journals).exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_preparing_run_is_canceled(target: str, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_FILES", str(2 * FILES))
    source = faults.lab.source(ACTOR)
    for number in range(FILES):
        (source / f"data-{number}.txt").write_text("x")
    site = replace(load(target), environment=JobEnvironment(prologue=[STOPS]))
    wish: dict[str, Any] = {"compute_target": site, "node_count": TARGETS[target], "distributed_training": PAIR}
    run = Experiment("lab", faults.lab.workspace).submit(TensorFlow(str(source), **wish))
    faults.runs.append(run)
    supervisor = wait_for_process(run, "supervise")
    until(lambda: stands_still(supervisor.pid), "the supervisor stands still")
    run.cancel()
    assert "launched" not in events(run), "it came too late: more files are needed"
    supervisor.kill(signal.SIGCONT)
    assert_canceled(run)
    assert "task-started" not in events(run)


@pytest.mark.parametrize("target", TARGETS)
def test_rendezvous(target: str, faults: Faults, tmp_path: Path) -> None:
    python = Environment(python=gated_python(tmp_path))
    run = faults.submit(PAIR, {}, compute_target=target, node_count=TARGETS[target], environment_definition=python)
    wait_for_process(run, "task", 0)
    run.cancel()
    assert_canceled(run)
    assert "task-started" not in events(run)


@pytest.mark.parametrize("target", TARGETS)
def test_a_running_run_is_canceled(target: str, faults: Faults) -> None:
    run = faults.submit(PAIR, {}, compute_target=target, node_count=TARGETS[target])
    wait_for_scripts(run, "ps-0", "worker-0")
    run.cancel()
    assert_canceled(run)


@pytest.mark.parametrize(("target", "server"), [("slurm", SLOW), ("local", SLOW), ("slurm", "stubborn()")])
def test_a_run_that_has_succeeded_is_not_canceled_while_ending(
    target: str, server: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has succeeded by then, and stays so, even if Slurm kills the supervisor ten seconds after the cancel."""
    monkeypatch.setattr("slurmtf.plan.resolution.Timings", partial(Timings, grace=300))
    acts = {"ps": server, "worker": "work(after=('ps-0',))"}
    run = faults.submit(PAIR, acts, compute_target=target, node_count=TARGETS[target])
    until(lambda: "task-ended" in events(run), "the worker's end")
    decided = find_time(run, "task-ended")
    until(lambda: time.time() - decided >= 3, "three seconds")
    run.cancel()
    state = end_of(run)
    assert (state.status, state.exit_status) == (RunStatus.COMPLETED, 0), state
    if server == SLOW:
        assert [event["exit_code"] for event in read_journal(run) if event["event"] == "task-ended"] == [0, 0]
    else:
        assert "ended" not in events(run)
    assert run.job.result() == {"run": run.id, "exit_code": 0}
