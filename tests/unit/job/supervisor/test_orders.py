"""The launches of a plan: all of them, and the first failure is the job's."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder, Run, Size
from slurmtf.job.supervisor.orders import NOTHING_TO_DO, PlannedOrders

DONE, FAILED, CRASHED = Outcome(Cause.SCRIPT, exit_code=0), Outcome(Cause.SCRIPT, exit_code=3), Outcome(Cause.SCRIPT, signal=11)
CANCELED = Outcome(Cause.CANCELED, signal=15)
ORDERS = (LaunchOrder(("a",)), LaunchOrder(("b",)), LaunchOrder(("c",)))


def orders() -> PlannedOrders:
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), Size(tasks=1), "srun", launches=ORDERS)
    return PlannedOrders(plan)


@pytest.mark.parametrize(
    ("ended", "last", "expected"),
    [
        ((), None, NOTHING_TO_DO),
        ((), DONE, DONE),
        ((DONE,), FAILED, FAILED),
        ((FAILED,), DONE, FAILED),
        ((DONE, FAILED, CRASHED), DONE, FAILED),
        ((DONE, CRASHED), FAILED, CRASHED),
        ((DONE,), CANCELED, CANCELED),
    ],
)
def test_the_first_failure_is_the_outcome_of_the_job(
    ended: tuple[Outcome, ...], last: Outcome | None, expected: Outcome
) -> None:
    given = orders()
    for outcome in ended:
        given.on_launch_ended(ORDERS[0], outcome)
    assert given.conclude(last) == expected


def test_all_launches_run_even_after_a_failure_and_the_last_is_marked() -> None:
    given, found = orders(), []
    while (order := given.take_next(None)) is not None:
        found.append((order.arguments, order.last))
        given.on_launch_ended(order, FAILED)
    assert found == [(("a",), False), (("b",), False), (("c",), True)]
    assert not given.should_wait()
    assert given.decide_call_off() is None
