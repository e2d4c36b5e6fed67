"""Which trial an element takes next, and when it or the sweep gives up."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.sweep.records import COMPLETED, FAILED, Event
from slurmtf.job.sweep.candidates import (
    GONE,
    RUNS,
    UNKNOWN,
    WAITS,
    HeldTrial,
    compute_pause,
    count_losses,
    find_common_error,
    is_too_short,
    is_trouble,
    rank_candidates,
    should_retire,
    spread,
)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (HeldTrial(0, 0, stale=True, job=GONE), [(0, 1), (1, 0)]),
        (HeldTrial(0, 0, stale=False, job=GONE), [(1, 0)]),
        (HeldTrial(0, 0, stale=True, job=RUNS), [(1, 0)]),
        (HeldTrial(0, 0, stale=True, job=UNKNOWN), [(1, 0)]),
        (HeldTrial(0, 0, stale=True, job=WAITS), [(1, 0), (0, 1)]),
        (HeldTrial(0, 2, released="preempted"), [(1, 0), (0, 3)]),
        (HeldTrial(0, 2, released="canceled"), [(0, 3), (1, 0)]),
        (HeldTrial(0, 2, released="time-limit"), [(0, 3), (1, 0)]),
        (HeldTrial(0, 1, ours=True, released="preempted"), [(0, 2), (1, 0)]),
    ],
)
def test_trials_that_may_be_taken_and_their_order(held: HeldTrial, expected: list[tuple[int, int]]) -> None:
    assert rank_candidates([(1, 0)], [held]) == expected


def test_our_own_trials_come_first() -> None:
    held = [HeldTrial(0, 0, stale=True, job=GONE), HeldTrial(1, 0, ours=True), HeldTrial(2, 0)]
    assert rank_candidates([(5, 0)], held) == [(1, 1), (0, 1), (5, 0)]


@pytest.mark.parametrize(
    ("number", "concurrent", "expected"),
    [
        (0, 4, [4, 8, 5, 7]),
        (1, 4, [5, 7, 4, 8]),
        (2, 4, [7, 4, 8, 5]),
        (3, 4, [7, 4, 8, 5]),
        (6, 3, [4, 7, 5, 8]),
        (1, 9, [4, 5, 7, 8]),
        (5, 1, [4, 5, 7, 8]),
    ],
)
def test_elements_start_with_different_trials(number: int, concurrent: int, expected: list[int]) -> None:
    assert spread([4, 5, 7, 8], number, concurrent) == [(trial, 0) for trial in expected]
    assert spread([], number, concurrent) == []


def end(time: float, status: str, text: str = "") -> Event:
    return Event("ended", time, int(time), status=status, text=text)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([end(1, FAILED, "ValueError: 1 of 0x3f"), end(2, FAILED, "ValueError: 2 of 0x4a")], "ValueError: 1 of 0x3f"),
        ([end(1, FAILED, "ValueError"), end(2, FAILED, "KeyError")], None),
        ([end(1, FAILED, "ValueError"), end(2, COMPLETED)], None),
        ([end(1, COMPLETED), end(2, FAILED, "ValueError"), end(3, FAILED, "ValueError")], None),
        ([end(2, FAILED, "ValueError"), end(1, FAILED, "ValueError"), end(3, COMPLETED)], "ValueError"),
        ([end(3, COMPLETED), end(2, FAILED, "ValueError"), end(1, FAILED, "ValueError")], "ValueError"),  # read last
        ([end(1, FAILED, "ValueError")], None),
    ],
)
def test_common_error_of_the_first_trials(ends: list[Event], expected: str | None) -> None:
    assert find_common_error(ends, 2) == expected
    assert find_common_error(ends, 0) is None


def test_an_element_retires_after_consecutive_quick_failures() -> None:
    quick, slow, good = (FAILED, 3.0), (FAILED, 300.0), (COMPLETED, 3.0)
    assert should_retire([good, quick, quick, quick], 3)
    assert not should_retire([quick, quick], 3)
    assert not should_retire([quick, slow, quick], 3)
    assert not should_retire([quick, good, quick], 3)
    assert not should_retire([quick] * 5, 0)


def test_a_trial_needs_the_time_that_others_took() -> None:
    known = [(COMPLETED, 100.0), (COMPLETED, 120.0), (COMPLETED, 90.0), (FAILED, 1.0)]
    assert is_too_short(109.0, known, has_run=True)
    assert not is_too_short(111.0, known, has_run=True)
    assert not is_too_short(5.0, known, has_run=False)
    assert not is_too_short(None, known, has_run=True)
    assert not is_too_short(5.0, [(FAILED, 1.0)], has_run=True)
    assert is_too_short(5.0, [(COMPLETED, 100.0), (FAILED, 1.0), (FAILED, 1.0)], has_run=True)  # which say nothing about it


@pytest.mark.parametrize(
    ("cause", "nodes", "expected"),
    [
        (Cause.LAUNCHER, 1, True),
        (Cause.NOT_CONNECTED, 2, True),
        (Cause.STAGING, 1, True),
        (Cause.TASK_LOST, 2, True),
        (Cause.TASK_LOST, 1, False),
        (Cause.SCRIPT, 2, False),
        (Cause.OUT_OF_MEMORY, 1, False),
    ],
)
def test_causes_that_are_not_the_scripts_fault(cause: Cause, nodes: int, expected: bool) -> None:
    assert is_trouble(cause, nodes) is expected


@pytest.mark.parametrize(
    ("attempt", "released", "lost"),
    [(0, [], 1), (2, ["preempted", "requeued"], 1), (2, ["launcher", "launcher"], 3), (4, ["launcher", "canceled"], 4)],
)
def test_a_trial_is_given_up_after_dead_owners_and_failed_launches(attempt: int, released: list[str], lost: int) -> None:
    assert count_losses(attempt, released) == lost


def test_an_element_pauses_longer_after_each_consecutive_trouble() -> None:
    assert [compute_pause(troubles) for troubles in (0, 1, 2, 3, 9)] == [0.0, 5.0, 10.0, 20.0, 60.0]
