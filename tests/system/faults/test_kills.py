"""kill -9 of one task's agent, of the launcher, or of the supervisor."""

from __future__ import annotations

import signal

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.system.faults.support import get_outcome
from tests.system.slurm.support import read_journal

from .support import Faults, end_of, label_host, planned, wait_for_process, wait_for_scripts

pytestmark = pytest.mark.slurm

VICTIMS = ("agent", "launcher", "supervisor")


@pytest.fixture(scope="module")
def killed(faults: Faults) -> dict[tuple[str, str], Run]:
    runs = {
        (victim, target): faults.submit(ParameterServer(2, 1, layout="original"), {}, compute_target=target, node_count=nodes)
        for victim in VICTIMS
        for target, nodes in (("slurm", 2), ("local", 1))
    }
    for run in runs.values():
        wait_for_scripts(run, "ps-0", "worker-0", "worker-1")
    for (victim, _), run in runs.items():
        _kill(run, victim)
    return runs


def _kill(run: Run, victim: str) -> None:
    launcher = "srun" if run.plan["job"]["scheduler"] == "slurm" else "spawn"
    rank = next(role.rank for role in planned(run) if role.label == "worker-1")
    {
        "agent": lambda: wait_for_process(run, "task", rank),
        "launcher": lambda: wait_for_process(run, launcher),
        "supervisor": lambda: wait_for_process(run, "supervise"),
    }[victim]().kill()


@pytest.mark.parametrize("target", ["slurm", "local"])
@pytest.mark.parametrize("victim", VICTIMS)
def test_killed(victim: str, target: str, killed: dict[tuple[str, str], Run]) -> None:
    run = killed[victim, target]
    state = end_of(run)
    assert state.status is RunStatus.FAILED, state
    if victim == "agent":
        assert (state.cause, state.exit_status) == ("task-lost", 1), state
        outcome = get_outcome(state)
        assert (outcome.task, outcome.host) == ("worker-1", label_host(run, "worker-1"))
    if victim == "launcher":
        name = "srun" if target == "slurm" else "spawn"
        assert (state.cause, state.exit_status) == ("launcher", 137), state
        assert (get_outcome(state).detail["launcher"], get_outcome(state).signal) == (name, signal.SIGKILL)
        if target == "slurm":  # on this machine, the tasks are killed with the launcher
            over = ("task-ended", "task-lost")  # both the supervisor and Slurm end them: whichever is first
            tasks = [event["task"] for event in read_journal(run) if event["event"] in over]
            assert len(tasks) == 3, "who only notices that the rendezvous is closed can't tell it any more"
    if victim == "supervisor":
        assert state.cause != "script", state
        assert state.message
        assert state.exit_status
