"""The plot in the terminal, as it comes out."""

from __future__ import annotations

import math

import pytest

from slurmtf.plots.chart import Chart, Curve, Dot
from slurmtf.plots.terminal import render_chart, to_text


def drawn(chart: Chart, width: int = 40, height: int = 5) -> str:
    return to_text(render_chart(chart, width, height))


def test_two_curves() -> None:
    chart = Chart("loss", [Curve("run-a", [(0, 0), (10, 10)]), Curve("run-b", [(0, 10), (10, 0)])], "step")
    assert drawn(chart) == (
        "loss\n"
        "10 ┤⠉⠒⠢⠤⢄⣀                   ⣀⡠⠤⠔⠒⠉ A\n"
        " 8 ┤      ⠉⠑⠒⠤⢄⣀⡀     ⢀⣀⡠⠤⠒⠊⠉\n"
        " 4 ┤            ⢈⣉⠶⠶⠶⣉⡁\n"
        " 2 ┤      ⣀⡠⠤⠒⠊⠉⠁     ⠈⠉⠑⠒⠤⢄⣀\n"
        " 0 ┤⣀⠤⠔⠒⠊⠉                   ⠉⠑⠒⠢⠤⣀ B\n"
        "   └┬─────┬─────┬─────┬─────┬─────┬\n"
        "    0     2     4     6     8    10 step\n"
        "  A ⠒⠒ run-a\n"
        "  B ⠒⠒ run-b"
    )


def test_each_curve_has_its_number_for_a_colour() -> None:
    chart = Chart("loss", [Curve("a", [(0, 0), (1, 0)]), Curve("b", [(0, 9), (1, 9)])])
    lines = render_chart(chart, 30, 4)
    assert {curve for text, curve in lines[1] if text >= "\u2801"} == {1}
    assert {curve for text, curve in lines[4] if text >= "\u2801"} == {0}


def test_dots_are_not_joined() -> None:
    chart = Chart("trials", [Curve("x", [(0, 0), (1, 1), (2, 0)], "dots")])
    assert [line[3:].strip() for line in drawn(chart, 20, 3).splitlines()[1:4]] == ["┤        ⠁", "┤", "┤⡀              ⢀"]


@pytest.mark.parametrize(
    ("points", "legend"),
    [
        ([], " (no values)"),
        ([(1, math.nan)], " (1 of 1 values can't be drawn)"),
        ([(1, 2), (2, math.inf)], " (1 of 2 values can't be drawn)"),
    ],
)
def test_what_can_not_be_drawn_is_said(points: list[Dot], legend: str) -> None:
    assert drawn(Chart("x", [Curve("x", points)])).splitlines()[-1] == f"  ⠒⠒ x{legend}"


def test_what_a_user_typed_controls_no_terminal() -> None:
    text = drawn(Chart("\x1b[2J", [Curve("a\nb\u202e", [(0, 1)])], "\x1b]0;title\x07"))
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert "a\\nb\\u202e" in text


def test_a_million_points_fit() -> None:
    text = drawn(Chart("loss", [Curve("x", [(float(i), float(i % 7)) for i in range(1_000_000)])]), 80, 16)
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("size", [(1, 1), (10, 2), (300, 100)])
def test_any_size(size: tuple[int, int]) -> None:
    assert len(drawn(Chart("x", [Curve("x", [(0, 1), (5, 2)])]), *size).splitlines()) == max(3, size[1]) + 4
