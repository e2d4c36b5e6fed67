"""Decide whether to stop a trial early, from what all trials have logged so far. Azure ML's definitions. Pure.

A curve is the sequence of values of the primary metric that a trial has logged: its n-th value belongs to interval n. Trials
are compared over as many intervals as the one in question has, so that a young trial is not measured against the later values
of older ones.
"""

import math
from typing import Callable, Dict, List, Mapping, Sequence

from ..contract.sweep.records import Stopping

Curve = Sequence[float]


def should_stop(policy: Stopping, sign: int, trial: int, curves: Mapping[int, Curve]) -> bool:
    """Return whether a policy stops a trial at its last interval. ``sign`` is 1 if more is better, -1 if less is."""
    decide = _DECIDE.get(policy.kind)
    at = len(curves.get(trial, ()))
    if decide is None or not at or at % policy.interval or at < policy.delay:
        return False
    same_age = {number: [_orient(value, sign) for value in curve[:at]] for number, curve in curves.items() if len(curve) >= at}
    return decide(policy, sign, same_age.pop(trial), list(same_age.values()))


def _orient(value: float, sign: int) -> float:
    """Return a value oriented so that more is better; NaN is worse than any number."""
    return -math.inf if math.isnan(value) else sign * value


def _is_stopped_by_bandit(policy: Stopping, sign: int, own: Curve, others: List[Curve]) -> bool:
    best = max([max(curve) for curve in others] or [-math.inf])
    return not math.isinf(best) and max(own) < best - _compute_slack(policy, sign, best)


def _compute_slack(policy: Stopping, sign: int, best: float) -> float:
    """Return how far below the best one a trial may be. A factor applies to the best value's size, whatever its sign."""
    if policy.slack_amount is not None:
        return policy.slack_amount
    factor = policy.slack_factor or 0.0
    return abs(best) * (factor / (1 + factor) if sign > 0 else factor)


def _is_stopped_by_median(policy: Stopping, sign: int, own: Curve, others: List[Curve]) -> bool:  # noqa: ARG001 - as all of them
    averages = sorted(sum(curve) / len(curve) for curve in [own, *others])
    return max(own) < _compute_median(averages)


def _compute_median(values: Sequence[float]) -> float:
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def _is_stopped_by_truncation(policy: Stopping, sign: int, own: Curve, others: List[Curve]) -> bool:  # noqa: ARG001
    values = [curve[-1] for curve in [own, *others]]
    return sum(value <= own[-1] for value in values) <= len(values) * policy.percentage // 100


_DECIDE: Dict[str, Callable[[Stopping, int, Curve, List[Curve]], bool]] = {
    "bandit": _is_stopped_by_bandit,
    "median_stopping": _is_stopped_by_median,
    "truncation_selection": _is_stopped_by_truncation,
}
