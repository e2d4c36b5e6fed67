"""The trial that an element works on, and the result when it ends."""

import math
import time
from typing import NamedTuple, Optional, Sequence

from ..contract.attempt.outcome import MAY_RETURN, Cause, Outcome
from ..contract.sweep.records import CANCELED, COMPLETED, FAILED, Event, Result
from . import candidates
from .progress import Progress

TAKEN_OVER = "taken-over"
LETS_GO = (Cause.CANCELED, *MAY_RETURN)
"""Causes that end the element, not the trial."""


class Running(NamedTuple):
    """The current trial. ``whole``: it has the element's whole time."""

    trial: int
    attempt: int
    started: float
    progress: Progress
    whole: bool


def build_event(kind: str, running: Optional[Running], host: str, number: int = 0, value: float = 0.0, text: str = "") -> Event:
    """Return what an element on ``host`` reports about the current trial; about itself if it has none."""
    trial, attempt = (running.trial, running.attempt) if running else (-1, 0)
    return Event(kind, time.time(), trial, attempt, number, value, text, host)


def get_stop_reason(outcome: Outcome) -> str:
    """Return what called a trial off; empty if nothing did."""
    return str(outcome.detail.get("policy", "")) if outcome.cause is Cause.CALLED_OFF else ""


def is_released(outcome: Outcome, whole: bool, nodes: int) -> bool:
    """Return whether the trial continues in another element, or later: the element ended, another one had taken the trial over,
    only the time that an earlier trial had left was available, or the launch on its ``nodes`` nodes was not possible."""
    ends_element = outcome.cause in LETS_GO or (outcome.cause is Cause.TIME_LIMIT and not whole)
    return ends_element or get_stop_reason(outcome) == TAKEN_OVER or candidates.is_trouble(outcome.cause, nodes)


def build_result(running: Running, outcome: Outcome, sign: int) -> Result:
    """Return the result of a trial that has ended; ``sign`` is -1 if less of the metric is better."""
    progress, why = running.progress, get_stop_reason(outcome)
    status = COMPLETED if outcome.succeeded else CANCELED if why else FAILED
    return Result(
        trial=running.trial,
        status=status,
        attempt=running.attempt,
        started=running.started,
        why=why or ("" if outcome.succeeded else outcome.cause.value),
        error=outcome.error if status == FAILED else "",
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        task=outcome.task,
        best=find_best(progress.values, sign),
        values=len(progress.values),
        names=() if progress.values else tuple(sorted(progress.names)),
    )


def find_best(values: Sequence[float], sign: int) -> Optional[float]:
    """Return the best of the values that are numbers; None if there is none."""
    numbers = [value for value in values if not math.isnan(value)]
    return max(numbers, key=lambda value: sign * value) if numbers else None
