"""The goal of a sweep."""

from __future__ import annotations

from enum import Enum


class PrimaryMetricGoal(str, Enum):
    """Whether higher or lower values of the primary metric are better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


def normalize_goal(goal: object) -> str:
    """Return a goal's name. Azure ML's ``PrimaryMetricGoal.MAXIMIZE`` and ``"MAXIMIZE"`` are accepted."""
    value = getattr(goal, "value", goal)
    return value.lower() if isinstance(value, str) else repr(value)
