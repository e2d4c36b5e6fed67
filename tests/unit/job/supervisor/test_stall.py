"""When a run counts as stalled."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.life import Stall
from slurmtf.job.supervisor.stall import StallWatch

MINUTE = 60.0
STACKS_S = 3.0


@pytest.mark.parametrize(
    ("events", "now", "stalled"),
    [
        ([], 99 * MINUTE, False),  # no task has started
        ([("active", 0, 0.0)], 9 * MINUTE, False),
        ([("active", 0, 0.0)], 10 * MINUTE, True),
        ([("active", 0, 0.0), ("active", 1, 5 * MINUTE)], 10 * MINUTE, False),  # one is still active
        ([("active", 0, 0.0), ("active", 1, 5 * MINUTE)], 15 * MINUTE, True),
        ([("active", 0, 0.0), ("active", 1, 5 * MINUTE), ("gone", 1, 6 * MINUTE)], 10 * MINUTE, True),
        ([("active", 0, 0.0), ("gone", 0, 1.0)], 99 * MINUTE, False),  # all have ended
    ],
)
def test_a_stall_begins_when_no_task_is_active(events: list[tuple[str, int, float]], now: float, stalled: bool) -> None:
    watch = StallWatch(Stall(10), STACKS_S)
    for what, rank, when in events:
        watch.on_activity(rank, when) if what == "active" else watch.on_task_ended(rank)
    assert watch.detect_stall(now) is stalled


def test_a_stall_is_reported_once_until_there_is_activity() -> None:
    watch = StallWatch(Stall(1), STACKS_S)
    watch.on_activity(0, 0.0)
    assert [watch.detect_stall(60.0 + second) for second in range(3)] == [True, False, False]
    watch.on_activity(0, 70.0)
    assert [watch.detect_stall(now) for now in (71.0, 131.0, 132.0)] == [False, True, False]


@pytest.mark.parametrize(
    ("ends", "again_at", "over"),
    [
        (True, None, [False, False, True, True]),
        (False, None, [False, False, False, False]),
        (True, 61.0, [False, False, False, False]),  # it became active again while its stacks were written
    ],
)
def test_stacks_are_written_before_a_stalled_run_is_ended(ends: bool, again_at: float | None, over: list[bool]) -> None:
    watch = StallWatch(Stall(1, ends=ends), STACKS_S)
    watch.on_activity(0, 0.0)
    found = [watch.is_over(60.0)]
    assert watch.detect_stall(60.0)
    if again_at is not None:
        watch.on_activity(0, again_at)
    assert [*found, *(watch.is_over(60.0 + second) for second in (STACKS_S - 0.1, STACKS_S, STACKS_S + 9))] == over


def test_without_a_limit_nothing_stalls() -> None:
    watch = StallWatch(Stall(), STACKS_S)
    watch.on_activity(0, 0.0)
    assert not watch.detect_stall(1e9)
