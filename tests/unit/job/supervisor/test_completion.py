"""When a launch is over, and by which rule."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, End
from slurmtf.job.contract.plan import Distribution, Timings
from slurmtf.job.contract.roles import assign_cyclically
from slurmtf.job.supervisor.completion import Completion, Verdict, are_peers_waiting, choose_grace

RULES = Distribution((), stragglers_succeed=True, straggler_grace_s=10)
OK, BAD, KILLED = End(0), End(3), End(None, 15)


def completion(counts: list[tuple[str, int]], **rules: Any) -> Completion:
    return Completion(assign_cyclically(counts, nodes=1), RULES._replace(**rules))


def test_the_chief_decides() -> None:
    watched = completion([("chief", 1), ("ps", 1), ("worker", 1)])
    watched.on_task_ended(2, OK, now=0)
    assert watched.verdict is None
    watched.on_task_ended(0, OK, now=1)
    assert watched.verdict is not None and watched.verdict.success
    watched.on_task_ended(1, KILLED, now=2)
    assert watched.verdict.success


def test_without_a_chief_all_workers_decide() -> None:
    watched = completion([("ps", 1), ("worker", 2)])
    watched.on_task_ended(1, OK, now=0)
    assert watched.verdict is None
    watched.on_task_ended(2, OK, now=1)
    assert watched.verdict is not None and watched.verdict.success


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_first_failure_ends_the_job(rank: int) -> None:
    watched = completion([("chief", 1), ("ps", 1), ("worker", 1)])
    assert not watched.on_task_ended(rank, BAD, now=0)
    assert watched.verdict is not None
    assert (watched.verdict.success, watched.verdict.rank) == (False, rank)


def test_an_evaluator_does_not_count() -> None:
    watched = completion([("chief", 1), ("evaluator", 1)])
    watched.on_task_ended(1, BAD, now=0)
    watched.on_task_lost(1, now=0)
    assert watched.verdict is None


LATE = {"late": ["evaluator-0"], "grace_s": 60}


@pytest.mark.parametrize(("end", "detail"), [(OK, {}), (BAD, {}), (None, LATE)])
def test_an_evaluator_gets_time_for_its_last_evaluation(end: End | None, detail: dict[str, Any]) -> None:
    watched = completion([("chief", 1), ("worker", 1), ("evaluator", 1)], evaluator_grace_s=60)
    watched.on_task_ended(0, OK, now=0)
    watched.on_task_ended(1, BAD, now=1)
    watched.tick(59)
    assert watched.verdict is None
    if end:
        watched.on_task_ended(2, end, now=59)
    watched.tick(61)
    assert watched.verdict == Verdict(True, None, Cause.SCRIPT, detail)


@pytest.mark.parametrize("before", [True, False])
def test_a_lost_evaluator_is_not_waited_for(before: bool) -> None:
    watched = completion([("chief", 1), ("evaluator", 1)], evaluator_grace_s=60)
    if before:
        watched.on_task_lost(1, now=0)
    watched.on_task_ended(0, OK, now=0)
    if not before:
        watched.on_task_lost(1, now=0)
    watched.tick(1)
    assert watched.verdict == Verdict(True, None)


def test_restarts_are_counted() -> None:
    watched = completion([("chief", 1), ("worker", 1)], restarts=2, restartable=["worker"])
    assert [watched.on_task_ended(1, BAD, now=0) for _ in range(3)] == [True, True, False]
    assert watched.verdict is not None and not watched.verdict.success


def test_a_chief_is_never_restarted() -> None:
    watched = completion([("chief", 1), ("worker", 1)], restarts=2, restartable=["worker"])
    assert not watched.on_task_ended(0, BAD, now=0)
    assert watched.verdict is not None


@pytest.mark.parametrize("tolerant", [True, False])
def test_stragglers_get_no_more_than_their_grace_time(tolerant: bool) -> None:
    watched = completion([("worker", 2)], stragglers_succeed=tolerant)
    watched.tick(now=1000)
    watched.on_task_ended(0, OK, now=1000)
    watched.tick(now=1009)
    assert watched.verdict is None
    watched.tick(now=1011)
    assert watched.verdict is not None
    assert watched.verdict.success is tolerant
    assert watched.verdict.cause is (Cause.SCRIPT if tolerant else Cause.STRAGGLER)
    assert watched.verdict.detail == {"late": ["worker-1"], "grace_s": 10}


def test_a_lost_task_is_named_in_the_verdict() -> None:
    watched = completion([("worker", 2)])
    watched.on_task_lost(1, now=0)
    assert watched.verdict is not None
    assert (watched.verdict.rank, watched.verdict.cause) == (1, Cause.TASK_LOST)


def test_the_grace_time_of_stragglers_starts_at_the_first_success() -> None:
    watched = completion([("worker", 3)])
    watched.on_task_ended(0, OK, now=1000)
    watched.on_task_ended(1, OK, now=1009)
    watched.tick(now=1011)
    assert watched.verdict is not None
    assert watched.verdict.detail["late"] == ["worker-2"]


def test_a_parameter_server_under_a_coordinator_is_not_restarted() -> None:
    """Its variables would be new: TensorFlow's coordinator can't restore them."""
    watched = completion([("chief", 1), ("ps", 1), ("worker", 1)], restarts=3, restartable=("worker",))
    assert not watched.on_task_ended(1, BAD, now=0)
    assert watched.verdict == Verdict(False, 1)
    original = completion([("ps", 1), ("worker", 1)], restarts=1, restartable=("worker", "ps"))
    assert original.on_task_ended(0, BAD, now=0)
    assert original.verdict is None


@pytest.mark.parametrize(
    ("backend", "verdict", "expected"),
    [
        ("mpi", Verdict(False, 2), True),
        ("multiworker", Verdict(False, 2), True),
        ("multiworker", Verdict(False, 2, Cause.TASK_LOST), True),
        ("multiworker", Verdict(False, 2, Cause.STRAGGLER), False),  # it may be saving
        ("multiworker", Verdict(False, 2, Cause.STAGING), False),
        ("multiworker", Verdict(True, None), False),
        ("ps", Verdict(False, 0), True),  # the chief
        ("ps", Verdict(False, 1), True),  # the parameter server
        ("ps", Verdict(False, 2), False),  # a worker
    ],
)
def test_tasks_that_only_wait_for_a_failed_peer_are_recognized(backend: str, verdict: Verdict, expected: bool) -> None:
    roles = assign_cyclically([("chief", 1), ("ps", 1), ("worker", 1)], nodes=1)
    assert are_peers_waiting(verdict, Distribution((), backend), roles) is expected


def test_the_grace_time_of_an_evaluator_starts_when_the_last_worker_ends() -> None:
    watched = completion([("worker", 2), ("evaluator", 1)], evaluator_grace_s=60)
    watched.on_task_ended(0, OK, now=0)
    watched.on_task_ended(1, OK, now=9)
    for now, over in ((61, False), (69, True)):
        watched.tick(now)
        assert (watched.verdict is not None) is over


def test_a_parameter_server_lost_after_all_workers_ended_fails_nothing() -> None:
    """The evaluator still gets its time: the workers are done."""
    watched = completion([("ps", 1), ("worker", 1), ("evaluator", 1)], evaluator_grace_s=60)
    watched.on_task_ended(1, OK, now=0)
    watched.on_task_lost(0, now=0)
    assert watched.verdict is None
    watched.tick(60)
    assert watched.verdict is not None and watched.verdict.success


def test_the_first_verdict_counts() -> None:
    watched = completion([("worker", 2)])
    watched.decide(Verdict(False, None, Cause.CALLED_OFF), now=5)
    watched.on_task_ended(0, BAD, now=6)
    watched.on_task_lost(1, now=7)
    watched.decide(Verdict(False, None, Cause.STALL), now=8)
    assert (watched.verdict, watched.decided_at) == (Verdict(False, None, Cause.CALLED_OFF), 5)


@pytest.mark.parametrize(
    ("rank", "how", "at"),
    [(0, "ended", 4.0), (0, "lost", 5.0), (1, "ended", 6.0)],
)
def test_the_time_of_the_verdict_is_kept(rank: int, how: str, at: float) -> None:
    watched = completion([("worker", 2)])
    watched.on_task_ended(rank, BAD, now=at) if how == "ended" else watched.on_task_lost(rank, now=at)
    assert (watched.verdict is not None, watched.decided_at) == (True, at)


@pytest.mark.parametrize(
    ("verdict", "backend", "grace_s"),
    [
        (Verdict(False, 0), "mpi", 5.0),  # the others wait for it
        (Verdict(False, 0, Cause.TASK_LOST), "mpi", 5.0),
        (Verdict(False, 0, Cause.STAGING), "mpi", 20.0),
        (Verdict(False, 1), "ps", 20.0),
        (Verdict(True, None), "mpi", 20.0),
        (Verdict(False, None, Cause.CALLED_OFF), "mpi", 20.0),
    ],
)
def test_grace_time_of_the_other_tasks(verdict: Verdict, backend: str, grace_s: float) -> None:
    roles = assign_cyclically([("ps", 1), ("worker", 2)] if backend == "ps" else [("worker", 3)], nodes=1)
    assert choose_grace(verdict, Distribution((), backend), roles, Timings(grace=20.0, peer_grace=5.0)) == grace_s
    assert choose_grace(verdict, Distribution((), backend), roles, Timings(grace=2.0, peer_grace=5.0)) == 2.0
