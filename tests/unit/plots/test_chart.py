"""Curves: thinned without losing a peak, broken where there is no number."""

from __future__ import annotations

import math

import pytest

from slurmtf.plots.chart import Chart, Curve, Dot, escape_unprintable, thin_points

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("points", "pieces"),
    [
        ([], []),
        ([(0, 1)], [[(0, 1)]]),
        ([(0, NAN)], []),
        ([(0, 1), (1, NAN), (2, 3), (3, 4)], [[(0, 1)], [(2, 3), (3, 4)]]),
        ([(0, INF), (1, 1), (2, -INF)], [[(1, 1)]]),
        ([(NAN, 1), (1, 2)], [[(1, 2)]]),
    ],
)
def test_a_curve_is_broken_where_there_is_no_number(points: list[Dot], pieces: list[list[Dot]]) -> None:
    curve = Curve("loss", points)
    assert Chart("loss", [curve]).split_curve(curve, 100) == pieces


def test_what_a_logarithm_has_no_place_for_is_counted() -> None:
    curve = Curve("loss", [(0, 1), (1, 0), (2, -1), (3, NAN), (4, 10)])
    chart = Chart("loss", [curve], log_y=True)
    assert chart.split_curve(curve, 100) == [[(0, 1)], [(4, 10)]]
    assert chart.count_hidden(curve) == 3


def test_steps_hold_a_value_until_the_next() -> None:
    curve = Curve("trials", [(0, 5), (2, 3), (3, 1)], "steps")
    assert Chart("best", [curve]).split_curve(curve, 100) == [[(0, 5), (2, 5), (2, 3), (3, 3), (3, 1)]]


def test_a_thinned_curve_keeps_ends_and_peaks_and_what_is_no_number() -> None:
    points = [(float(i), 0.0) for i in range(1_000_000)]
    points[123_456], points[654_321], points[777_777] = (123_456.0, 9.0), (654_321.0, -9.0), (777_777.0, NAN)
    kept = thin_points(points, 1000)
    assert len(kept) <= 1000
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert {points[123_456], points[654_321]} <= set(kept)
    assert any(math.isnan(y) for _, y in kept)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Genauigkeit ü 精度", "Genauigkeit ü 精度"), ("\x1b[31mred", "\\x1b[31mred"), ("a\nb\tc", "a\\nb\\tc"),
     ("\u202eevil", "\\u202eevil"), ("\udcff", "\\udcff"), ("\0", "\\x00"), ("\ufffe", "\\ufffe")],
)  # fmt: skip
def test_printable(text: str, shown: str) -> None:
    assert escape_unprintable(text) == shown
