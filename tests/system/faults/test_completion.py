"""Runs that succeed: whose end decides, what becomes of the tasks that serve, and when the nodes are free again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from slurmtf import MultiWorker, ParameterServer, Run
from tests.system.slurm.support import read_journal

from .support import Faults, assert_completed, end_of, find_time, list_killed, seconds_to_end

pytestmark = pytest.mark.slurm

GRACE_S = 20
CHIEF = ParameterServer(2, 1, layout="chief", evaluator_count=1)
SERVED = "('ps-0', 'worker-0', 'worker-1', 'evaluator-0')"
UNGRATEFUL = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); serve()"


@dataclass(frozen=True)
class Case:
    distribution: ParameterServer | MultiWorker
    acts: Mapping[str, str]
    least_s: float = 0.0


CASES = {
    "chief": Case(CHIEF, {"chief": f"work(after={SERVED})"}),
    "served-exit-9": Case(CHIEF, {"chief": f"work(after={SERVED})", "ps": UNGRATEFUL, "worker": UNGRATEFUL}),
    "evaluator-failed": Case(CHIEF, {"chief": f"work(after={SERVED}); time.sleep(2)", "evaluator": "here(); sys.exit(5)"}),
    "workers": Case(ParameterServer(2, 2, layout="original"), {"worker": "work(after=('ps-0', 'ps-1'))"}),
    "worker-before-chief": Case(CHIEF, {"chief": f"work(after={SERVED}); time.sleep(2)", "worker-1": "here(); sys.exit(0)"}),
    "no-ps": Case(ParameterServer(2, 0, layout="original"), {"worker": "work()"}),
    "multiworker": Case(MultiWorker(3), {"worker": "work()"}),
    "stubborn": Case(CHIEF, {"chief": f"work(after={SERVED})", "ps": "stubborn()", "worker-0": "stubborn()"}, GRACE_S - 1),
}


@pytest.fixture(scope="module")
def runs(faults: Faults) -> dict[tuple[str, str], Run]:
    """Submit every case on Slurm's nodes and on this machine, all side by side, the slow one first."""
    return {
        (name, target): faults.submit(case.distribution, case.acts, compute_target=target, node_count=nodes)
        for name, case in reversed(CASES.items())
        for target, nodes in (("slurm", 2), ("local", 1))
    }


@pytest.mark.parametrize("target", ["slurm", "local"])
@pytest.mark.parametrize("name", CASES)
def test_a_run_completes_when_its_deciding_tasks_have_succeeded(
    name: str, target: str, runs: dict[tuple[str, str], Run]
) -> None:
    run, case = runs[name, target], CASES[name]
    assert_completed(end_of(run))
    deciding = "chief-0" if dict(run.plan["job"]["distribution"]["roles"]).get("chief") else "worker-0"
    decided = find_time(run, "task-ended", lambda event: event["task"] == deciding)
    assert seconds_to_end(run, decided) >= case.least_s
    assert list_killed(run) == ({"ps-0", "worker-0"} if name == "stubborn" else set())
    ends = {event["task"]: event for event in read_journal(run) if event["event"] == "task-ended"}
    assert len(ends) == run.plan["job"]["size"]["tasks"]
    assert ends[deciding]["exit_code"] == 0
    if name == "stubborn":
        assert [ends[task]["signal"] for task in ("ps-0", "worker-0", "worker-1")] == [9, 9, 15]
    if name == "served-exit-9":
        assert ends["ps-0"]["exit_code"] == 9
    assert run.job.result() == {"run": run.id, "exit_code": 0}
