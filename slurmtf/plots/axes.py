"""Axes: the range of values, where each stands in it, and the ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LARGEST = 1e300
"""Beyond it, the difference of two values may be none."""
SMALLEST_SPAN = 1e-12
"""Of the values: what is closer together is one value in another rounding."""
MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """A range of values. ``ticks`` are round values in it, ``step`` the distance of two."""

    low: float
    high: float
    ticks: tuple[float, ...]
    step: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value stands: 0 at the low end, 1 at the high end, and at them what is beyond."""
        low, high, own = (self._to_scale(one) for one in (self.low, self.high, value))
        return max(0.0, min(1.0, (own - low) / (high - low)))

    def _to_scale(self, value: float) -> float:
        return math.log10(value) if self.log else _bound(value)

    def format_tick(self, tick: float) -> str:
        """Return a tick in as many digits as tell it from the next."""
        largest = max(abs(self.low), abs(self.high))
        if self.log or not 1e-4 <= largest < 1e6:
            digits = 1 if self.log else math.floor(math.log10(largest)) - math.floor(math.log10(self.step)) + 1
            return f"{tick:.{max(1, digits)}g}"
        return f"{tick:.{max(0, -math.floor(math.log10(self.step)))}f}"


def build_axis(values: Iterable[float], log: bool = False) -> Axis:
    """Return an axis on which all finite values have a place (a logarithmic one: all positive ones)."""
    shown = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if log:
        return _build_log_axis(min(shown, default=1.0), max(shown, default=1.0))
    low, high = _widen(_bound(min(shown, default=0.0)), _bound(max(shown, default=0.0)))
    step = choose_step((high - low) / MOST_TICKS)
    ticks = tuple(number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1))
    return Axis(low, high, ticks, step)


def _bound(value: float) -> float:
    return max(-LARGEST, min(LARGEST, value))


def _widen(low: float, high: float) -> tuple[float, float]:
    """Return a range that is none: with room around a single value."""
    largest = max(abs(low), abs(high))
    if high - low > max(SMALLEST_SPAN * largest, 1 / LARGEST):
        return low, high
    room = largest / 2 if largest > 1 / LARGEST else 1.0
    return low - room, high + room


def choose_step(width: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below ``width``."""
    power = 10.0 ** math.floor(math.log10(width))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= width * (1 - 1e-9)), 10 * power)


def _build_log_axis(low: float, high: float) -> Axis:
    low, high = (max(2 / LARGEST, min(LARGEST / 2, bound)) for bound in (low, high))
    if high / low < 1 + SMALLEST_SPAN:
        low, high = low / 2, high * 2
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(decades) < 4 else (1,)
    every = math.ceil(len(decades) / MOST_TICKS)
    found = (factor * 10.0**decade for decade in decades[::every] for factor in factors)
    return Axis(low, high, tuple(tick for tick in found if low <= tick <= high), low, log=True)
