"""A run with one failing task: its outcome has the task, its host, how it ended and its last lines; the others end at once."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from slurmtf import Mpi, MultiWorker, ParameterServer, Run, RunStatus
from slurmtf.job.contract.attempt.outcome import End
from tests.system.faults.support import get_outcome

from .support import Faults, end_of, label_host, list_killed

pytestmark = pytest.mark.slurm

CHIEF = ParameterServer(2, 1, layout="chief", evaluator_count=1)
ORIGINAL = ParameterServer(2, 1, layout="original")
OTHERS = "wait_for('ps-0', 'worker-1')"


@dataclass(frozen=True)
class Case:
    """``failing`` does ``act`` while the others serve (or do ``others``); ``exit_status`` is the resulting one of the run."""

    distribution: ParameterServer | MultiWorker | Mpi
    failing: str
    act: str
    exit_status: int
    others: Mapping[str, str] | None = None

    @property
    def end(self) -> End:
        return End(None, signal.SIGKILL) if self.exit_status == 137 else End(self.exit_status)


CASES = {
    "worker-exits": Case(ORIGINAL, "worker-0", f"{OTHERS}; work(3)", 3),
    "worker-killed": Case(ORIGINAL, "worker-0", f"{OTHERS}; die()", 137),
    "worker-of-chief": Case(CHIEF, "worker-0", f"{OTHERS}; work(3)", 3),
    "chief-exits": Case(CHIEF, "chief-0", f"{OTHERS}; work(7)", 7),
    "chief-killed": Case(CHIEF, "chief-0", f"{OTHERS}; die()", 137),
    "ps-exits": Case(ORIGINAL, "ps-0", "wait_for('worker-0', 'worker-1'); work(4)", 4),
    "ps-killed": Case(ORIGINAL, "ps-0", "wait_for('worker-0', 'worker-1'); die()", 137),
    "multiworker": Case(MultiWorker(2), "worker-1", "wait_for('worker-0'); work(3)", 3),
    "mpi": Case(Mpi(2), "rank-1", "wait_for('rank-0'); work(3)", 3, {"rank": "stay()"}),
    "unhurried": Case(ORIGINAL, "worker-1", "work(3, ('ps-0', 'worker-0'))", 3, {"worker-0": "stubborn()"}),
}


@pytest.fixture(scope="module")
def runs(faults: Faults) -> dict[tuple[str, str], Run]:
    return {
        (name, target): faults.submit(
            case.distribution, {**(case.others or {}), case.failing: case.act}, compute_target=target, node_count=nodes
        )
        for name, case in reversed(CASES.items())
        for target, nodes in (("slurm", 2), ("local", 1))
    }


@pytest.mark.parametrize("target", ["slurm", "local"])
@pytest.mark.parametrize("name", CASES)
def test_a_failing_task_ends_the_run_with_its_facts(name: str, target: str, runs: dict[tuple[str, str], Run]) -> None:
    run, case = runs[name, target], CASES[name]
    state = end_of(run)
    assert (state.status, state.cause, state.exit_status) == (RunStatus.FAILED, "script", case.exit_status), state
    label, host = case.failing, label_host(run, case.failing)
    outcome = get_outcome(state)
    assert (outcome.task, outcome.host, outcome.end) == (label, host, case.end)
    assert (outcome.log, outcome.tail) == (f"logs/{label}.err", f"last words of {label}")
    assert list_killed(run) - {case.failing} == ({"worker-0"} if name == "unhurried" else set())
    assert f"task={label} host={host}" in str(run.job.exception())
