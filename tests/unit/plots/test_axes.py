"""Where values stand on an axis, and which ticks it has."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slurmtf.plots.axes import MOST_TICKS, build_axis, choose_step

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 10], ["0", "2", "4", "6", "8", "10"]),
        ([0.1, 0.5], ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ([-1, 1], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([0, NAN, 10, INF, -INF], ["0", "2", "4", "6", "8", "10"]),
        ([1e-7, 5e-7], ["1e-07", "2e-07", "3e-07", "4e-07", "5e-07"]),
        ([0, 3e9], ["0", "5e+08", "1e+09", "1.5e+09", "2e+09", "2.5e+09", "3e+09"]),
        ([1e9, 1e9 + 4], ["1000000000", "1000000001", "1000000002", "1000000003", "1000000004"]),
        ([3], ["1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]),
        ([0], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([NAN], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
    ],
)
def test_ticks(values: list[float], ticks: list[str]) -> None:
    axis = build_axis(values)
    assert [axis.format_tick(tick) for tick in axis.ticks] == ticks


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.01, 1], ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]),
        ([1e-6, 1e6], ["1e-06", "0.001", "1", "1e+03", "1e+06"]),
        ([0, -3, NAN, 1, 10], ["1", "2", "5", "1e+01"]),
        ([], ["0.5", "1", "2"]),
    ],
)
def test_ticks_of_a_logarithmic_axis(values: list[float], ticks: list[str]) -> None:
    axis = build_axis(values, log=True)
    assert [axis.format_tick(tick) for tick in axis.ticks] == ticks


def test_a_place_is_a_share_of_the_range() -> None:
    assert build_axis([10, 20]).place(12.5) == 0.25
    assert build_axis([1, 10000], log=True).place(100) == 0.5


@given(st.lists(st.floats(), max_size=20), st.booleans())
@example([1.9999999999998692e302], True)
@example([2.0000000013860917e300], True)
@example([5e-324, 1.0], True)
def test_every_number_has_a_place(values: list[float], log: bool) -> None:
    axis = build_axis(values, log)
    shown = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    assert all(0 <= axis.place(value) <= 1 for value in shown)
    assert len(axis.ticks) <= 3 * MOST_TICKS
    assert all(axis.format_tick(tick) for tick in axis.ticks)


@pytest.mark.parametrize(("width", "step"), [(1, 1), (1.1, 2), (3, 5), (6, 10), (0.03, 0.05), (1e-300, 1e-300)])
def test_nice_steps(width: float, step: float) -> None:
    assert choose_step(width) == pytest.approx(step, rel=1e-9)
