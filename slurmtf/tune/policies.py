"""Policies that stop trials early, as Azure ML defines them. ``job/sweep/policies.py`` applies them.

Each time that the script logs the primary metric counts as an interval. A policy is applied at each multiple of
``evaluation_interval``, starting at ``delay_evaluation``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from slurmtf.errors import SpecError
from slurmtf.findings import Finding
from slurmtf.job.contract.sweep.records import Stopping
from slurmtf.schema import Strict


@dataclass(frozen=True)
class BanditPolicy(Strict):
    """Stop trials that are behind the best one by more than the slack, which is a factor or an amount.

    When maximizing, a trial stops if its best value is below ``best / (1 + slack_factor)`` or ``best - slack_amount``; when
    minimizing, if it is above ``best * (1 + slack_factor)`` or ``best + slack_amount``. ``best`` is the best trial's value
    after the same number of intervals.
    """

    evaluation_interval: int = 1
    slack_factor: float | None = None
    slack_amount: float | None = None
    delay_evaluation: int = 0
    type: Literal["bandit"] = "bandit"

    def __post_init__(self) -> None:
        _raise(self, self._check_slack())

    def _check_slack(self) -> Iterable[Finding]:
        given = {name: value for name in ("slack_factor", "slack_amount") if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            what = "needs slack_factor or slack_amount" if not given else "slack_factor excludes slack_amount"
            yield Finding("bad-slack", "policy", what, "set one of them")
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                yield Finding(
                    "bad-slack",
                    f"policy.{name}",
                    f"{value!r} is not a number above or equal to 0",
                    "use a number of at least 0",
                )


@dataclass(frozen=True)
class MedianStoppingPolicy(Strict):
    """Stop trials whose best value is worse than the median of all trials' averages over the same number of intervals."""

    evaluation_interval: int = 1
    delay_evaluation: int = 0
    type: Literal["median_stopping"] = "median_stopping"

    def __post_init__(self) -> None:
        _raise(self)


@dataclass(frozen=True)
class TruncationSelectionPolicy(Strict):
    """Stop the worst ``truncation_percentage`` of all trials at an interval, by what they logged then; ended trials count
    too."""

    truncation_percentage: int = 10
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    type: Literal["truncation_selection"] = "truncation_selection"

    def __post_init__(self) -> None:
        _raise(self, self._check_percentage())

    def _check_percentage(self) -> Iterable[Finding]:
        percentage = self.truncation_percentage
        if isinstance(percentage, bool) or not isinstance(percentage, int) or not 1 <= percentage <= 99:
            what = f"{percentage!r} is not a percentage from 1 to 99"
            yield Finding("bad-percentage", "policy.truncation_percentage", what, "use a whole number")


@dataclass(frozen=True)
class NoTerminationPolicy(Strict):
    """Let all trials run to their end."""

    type: Literal["none"] = "none"


POLICIES = (BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy, NoTerminationPolicy)


def to_stopping(policy: Any) -> Stopping:
    """Return a policy in the form that the job reads."""
    return Stopping(
        kind=policy.type if policy else "none",
        interval=getattr(policy, "evaluation_interval", 1),
        delay=getattr(policy, "delay_evaluation", 0),
        slack_factor=getattr(policy, "slack_factor", None),
        slack_amount=getattr(policy, "slack_amount", None),
        percentage=getattr(policy, "truncation_percentage", 0),
    )


def _raise(policy: object, more: Iterable[Finding] = ()) -> None:
    findings = [
        Finding("bad-interval", f"policy.{name}", f"{value!r} is not a whole number of at least {least}", "use one")
        for name, least in (("evaluation_interval", 1), ("delay_evaluation", 0))
        if isinstance(value := getattr(policy, name), bool) or not isinstance(value, int) or value < least
    ]
    findings += more
    if findings:
        raise SpecError(*findings)
