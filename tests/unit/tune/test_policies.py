"""Early stopping by Azure ML's definitions, on recorded curves (facts, sweeps A5)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from slurmtf.errors import SpecError
from slurmtf.job.contract.sweep.records import Stopping
from slurmtf.job.sweep.policies import should_stop
from slurmtf.tune.policies import BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy, to_stopping

MAX, MIN = 1, -1


def stops(policy: Any, sign: int, candidate: list[float], *others: list[float]) -> list[bool]:
    """Return for each interval whether the candidate would be stopped."""
    known = dict(enumerate(others, 1))
    return [should_stop(to_stopping(policy), sign, 0, {**known, 0: candidate[:at]}) for at in range(1, len(candidate) + 1)]


def test_bandit_stops_by_factor() -> None:
    """0.8 is the best: with a slack of 0.2, trials below 0.666 are stopped."""
    policy = BanditPolicy(slack_factor=0.2)
    assert stops(policy, MAX, [0.66], [0.8]) == [True]
    assert stops(policy, MAX, [0.67], [0.8]) == [False]


def test_bandit_stops_by_amount() -> None:
    policy = BanditPolicy(slack_amount=0.2)
    assert stops(policy, MAX, [0.59], [0.8]) == [True]
    assert stops(policy, MAX, [0.61], [0.8]) == [False]


def test_bandit_is_mirrored_if_less_is_better() -> None:
    assert stops(BanditPolicy(slack_factor=0.2), MIN, [1.21], [1.0]) == [True]
    assert stops(BanditPolicy(slack_factor=0.2), MIN, [1.19], [1.0]) == [False]
    assert stops(BanditPolicy(slack_amount=0.5), MIN, [1.6], [1.0]) == [True]
    assert stops(BanditPolicy(slack_amount=0.5), MIN, [1.4], [1.0]) == [False]


def test_bandit_compares_the_best_values_at_the_same_age() -> None:
    policy = BanditPolicy(slack_factor=0.2)
    assert stops(policy, MAX, [0.75, 0.1], [0.8, 0.8]) == [False, False]
    assert stops(policy, MAX, [0.3, 0.4], [0.31, 0.42, 0.99]) == [False, False]


@pytest.mark.parametrize("sign", [MAX, MIN])
def test_bandit_never_stops_the_best_trial_whatever_its_sign(sign: int) -> None:
    for value in (-2.0, 0.0, 2.0):
        assert stops(BanditPolicy(slack_factor=0.5), sign, [value], [value - sign * 0.1]) == [False]
    assert stops(BanditPolicy(slack_factor=0.1), MAX, [-1.2], [-1.0]) == [True]
    assert stops(BanditPolicy(slack_factor=0.1), MAX, [-1.05], [-1.0]) == [False]


def test_a_lone_trial_is_never_stopped() -> None:
    for policy in (BanditPolicy(slack_amount=0), MedianStoppingPolicy(), TruncationSelectionPolicy(99)):
        assert stops(policy, MAX, [0.5, 0.4, 0.3]) == [False] * 3


@pytest.mark.parametrize(
    ("candidate", "others", "expected"),
    [
        ([0.25, 0.45, 0.50], ([0.1, 0.5, 0.9], [0.2, 0.4, 0.6], [0.3, 0.3, 0.3]), [False, False, False]),
        ([0.2, 0.2, 0.2], ([0.9, 0.1, 0.1],) * 3, [True, True, True]),
    ],
)
def test_median_compares_with_running_averages(candidate: list[float], others: Any, expected: list[bool]) -> None:
    assert stops(MedianStoppingPolicy(), MAX, candidate, *others) == expected


def test_median_includes_running_trials_that_have_come_as_far() -> None:
    assert stops(MedianStoppingPolicy(), MAX, [0.4, 0.4], [0.9, 0.9], [0.05], [0.05]) == [False, True]


def test_truncation_stops_exactly_the_lowest_fifth_of_five() -> None:
    policy = TruncationSelectionPolicy(20)
    values = [0.9, 0.8, 0.7, 0.6, 0.5]
    stopped = [
        value for value in values if stops(policy, MAX, [value], *([other] for other in values if other != value)) == [True]
    ]
    assert stopped == [0.5]


def test_truncation_uses_the_value_at_the_interval_and_keeps_ties() -> None:
    policy = TruncationSelectionPolicy(50)
    assert stops(policy, MAX, [0.9, 0.1], [0.5, 0.5], [0.4, 0.4], [0.3, 0.3]) == [False, True]
    assert stops(policy, MAX, [0.5], [0.5], [0.5], [0.5]) == [False]
    assert stops(TruncationSelectionPolicy(50), MIN, [0.9], [0.1]) == [True]


def test_a_policy_is_applied_at_multiples_of_the_interval_from_the_delay_on() -> None:
    worst, best = [0.1] * 9, [0.9] * 9
    policy = BanditPolicy(evaluation_interval=3, slack_factor=0.1, delay_evaluation=4)
    assert stops(policy, MAX, worst, best) == [False] * 5 + [True] + [False] * 2 + [True]
    at_once = BanditPolicy(evaluation_interval=3, slack_factor=0.1, delay_evaluation=3)
    assert stops(at_once, MAX, worst, best) == ([False] * 2 + [True]) * 3


def test_values_that_are_no_numbers_are_worst() -> None:
    assert stops(BanditPolicy(slack_factor=0.1), MIN, [math.nan], [1.0]) == [True]
    assert stops(BanditPolicy(slack_factor=0.1), MIN, [5.0], [math.nan]) == [False]
    assert stops(MedianStoppingPolicy(), MAX, [math.nan], [0.5], [0.6]) == [True]


def test_without_a_policy_no_trial_is_stopped() -> None:
    assert not should_stop(Stopping(), MAX, 0, {0: [0.0], 1: [1.0]})


@pytest.mark.parametrize(
    ("build", "codes"),
    [
        (BanditPolicy, ["bad-slack"]),
        (lambda: BanditPolicy(slack_factor=0.1, slack_amount=0.1), ["bad-slack"]),
        (lambda: BanditPolicy(0, slack_factor=-1, delay_evaluation=-2), ["bad-interval", "bad-interval", "bad-slack"]),
        (lambda: MedianStoppingPolicy(evaluation_interval=True), ["bad-interval"]),
        (lambda: TruncationSelectionPolicy(0), ["bad-percentage"]),
        (lambda: TruncationSelectionPolicy(100), ["bad-percentage"]),
    ],
)
def test_wrong_policies_are_refused(build: Any, codes: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        build()
    assert [finding.code for finding in caught.value.findings] == codes
