"""Killed at once, by kill -9: one task's agent, the launcher, the supervisor."""

from __future__ import annotations

import signal
import time
from typing import NamedTuple

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.system.faults.support import outcome_of
from tests.system.slurm.support import journal

from .support import Faults, end_of, label_host, planned, playing, the

pytestmark = pytest.mark.slurm

PATIENCE_S = 40.0
AT_ONCE_S = 4.5
"""On a busy machine; a rendezvous that is closed is noticed after five."""
VICTIMS = ("agent", "launcher", "supervisor")


class Killed(NamedTuple):
    run: Run
    at: float
    """On the journal's clock."""


@pytest.fixture(scope="module")
def killed(faults: Faults) -> dict[tuple[str, str], Killed]:
    runs = {
        (victim, target): faults.submit(ParameterServer(2, 1, layout="original"), {}, compute_target=target, node_count=nodes)
        for victim in VICTIMS
        for target, nodes in (("slurm", 2), ("local", 1))
    }
    for run in runs.values():
        playing(run, "ps-0", "worker-0", "worker-1")
    return {key: _kill(run, key[0]) for key, run in runs.items()}


def _kill(run: Run, victim: str) -> Killed:
    launcher = "srun" if run.plan["job"]["scheduler"] == "slurm" else "spawn"
    rank = next(role.rank for role in planned(run) if role.label == "worker-1")
    {
        "agent": lambda: the(run, "task", rank),
        "launcher": lambda: the(run, launcher),
        "supervisor": lambda: the(run, "supervise"),
    }[victim]().kill()
    return Killed(run, time.time())


@pytest.mark.parametrize("target", ["slurm", "local"])
@pytest.mark.parametrize("victim", VICTIMS)
def test_killed(victim: str, target: str, killed: dict[tuple[str, str], Killed]) -> None:
    run, at = killed[victim, target]
    state = end_of(run, seconds=PATIENCE_S)
    assert state.status is RunStatus.FAILED, state
    if victim == "agent":
        assert (state.cause, state.exit_status) == ("task-lost", 1), state
        outcome = outcome_of(state)
        assert (outcome.task, outcome.host) == ("worker-1", label_host(run, "worker-1"))
    if victim == "launcher":
        name = "srun" if target == "slurm" else "spawn"
        assert (state.cause, state.exit_status) == ("launcher", 137), state
        assert (outcome_of(state).detail["launcher"], outcome_of(state).signal) == (name, signal.SIGKILL)
        if target == "slurm":  # on this machine its tasks are killed with it
            over = ("task-ended", "task-lost")  # we tell them, and Slurm kills them: whoever is first
            after = [event["time"] - at for event in journal(run) if event["event"] in over]
            assert len(after) == 3
            assert max(after) < AT_ONCE_S
    if victim == "supervisor":
        assert state.cause != "script", state
        assert state.message
        assert state.exit_status
