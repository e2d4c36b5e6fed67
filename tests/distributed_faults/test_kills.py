"""Killed at once, by kill -9: one task's agent, the launcher, the supervisor."""

from __future__ import annotations

import time
from typing import NamedTuple

import pytest

from slurmtf import ParameterServer, Run, RunStatus

from .support import Faults, end_of, label_host, planned, playing, the

pytestmark = pytest.mark.slurm

PATIENCE_S = 40.0
VICTIMS = ("agent", "launcher", "supervisor")


class Killed(NamedTuple):
    run: Run
    at: float


@pytest.fixture(scope="module")
def killed(faults: Faults) -> dict[tuple[str, str], Killed]:
    runs = {
        (victim, target): faults.submit(ParameterServer(2, 1, layout="original"), {}, compute_target=target, node_count=nodes)
        for victim in VICTIMS
        for target, nodes in (("slurm", 2), ("local", 1))
    }
    return {key: Killed(run, _kill(run, key[0])) for key, run in runs.items()}


def _kill(run: Run, victim: str) -> float:
    playing(run, "ps-0", "worker-0", "worker-1")
    launcher = "srun" if run.plan["scheduler"] == "slurm" else "spawn"
    rank = next(role.rank for role in planned(run) if role.label == "worker-1")
    {
        "agent": lambda: the(run, "task", rank),
        "launcher": lambda: the(run, launcher),
        "supervisor": lambda: the(run, "supervise"),
    }[victim]().kill()
    return time.monotonic()


@pytest.mark.parametrize("target", ["slurm", "local"])
@pytest.mark.parametrize("victim", VICTIMS)
def test_killed(victim: str, target: str, killed: dict[tuple[str, str], Killed]) -> None:
    run, at = killed[victim, target]
    state = end_of(run)
    assert state.status is RunStatus.FAILED, state
    assert time.monotonic() - at < PATIENCE_S
    if victim == "agent":
        assert (state.cause, state.exit_status) == ("task", 1), state
        assert f"worker-1 on {label_host(run, 'worker-1')} is gone without a word" in state.message
    if victim == "launcher":
        name = "srun" if target == "slurm" else "spawn"
        assert (state.cause, state.exit_status) == ("launcher", 137), state
        assert f"{name} was killed by signal 9 (SIGKILL)" in state.message
    if victim == "supervisor":
        assert state.cause != "script", state
        assert state.message
        assert state.exit_status
