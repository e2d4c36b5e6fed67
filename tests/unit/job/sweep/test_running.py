"""What the end of a launch means for its trial: it continues elsewhere or later, or it has a result."""

from __future__ import annotations

import math

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.sweep.running import TAKEN_OVER, find_best, get_stop_reason, is_released


@pytest.mark.parametrize(
    ("outcome", "whole", "nodes", "goes_on"),
    [
        (Outcome(Cause.SCRIPT, exit_code=0), True, 1, False),
        (Outcome(Cause.SCRIPT, exit_code=3), True, 2, False),
        (Outcome(Cause.CANCELED, signal=15), True, 1, True),
        (Outcome(Cause.PREEMPTED, signal=15), True, 1, True),
        (Outcome(Cause.NODE_FAILURE), True, 1, True),
        (Outcome(Cause.TIME_LIMIT, signal=15), True, 1, False),
        (Outcome(Cause.TIME_LIMIT, signal=15), False, 1, True),
        (Outcome(Cause.LAUNCHER, exit_code=1), True, 1, True),
        (Outcome(Cause.TASK_LOST), True, 1, False),
        (Outcome(Cause.TASK_LOST), True, 2, True),
        (Outcome(Cause.CALLED_OFF, detail={"policy": TAKEN_OVER}), True, 1, True),
        (Outcome(Cause.CALLED_OFF, detail={"policy": "policy"}), True, 1, False),
    ],
)
def test_ends_that_are_not_the_trials_fault(outcome: Outcome, whole: bool, nodes: int, goes_on: bool) -> None:
    assert is_released(outcome, whole, nodes) is goes_on


@pytest.mark.parametrize(
    ("outcome", "policy"),
    [
        (Outcome(Cause.CALLED_OFF, detail={"policy": "policy"}), "policy"),
        (Outcome(Cause.CALLED_OFF), ""),
        (Outcome(Cause.SCRIPT, exit_code=1, detail={"policy": "policy"}), ""),
    ],
)
def test_policy_that_stopped_a_trial(outcome: Outcome, policy: str) -> None:
    assert get_stop_reason(outcome) == policy


@pytest.mark.parametrize(
    ("values", "sign", "best"),
    [
        ((0.5, 0.75, 0.25), 1, 0.75),
        ((0.5, 0.75, 0.25), -1, 0.25),
        ((math.nan, 2.0), 1, 2.0),
        ((math.nan,), 1, None),
        ((), 1, None),
    ],
)
def test_best_value_of_a_trial(values: tuple[float, ...], sign: int, best: float | None) -> None:
    assert find_best(values, sign) == best
