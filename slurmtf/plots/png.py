"""Charts as a PNG image, by matplotlib where it is installed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slurmtf.errors import InputError
from slurmtf.findings import Finding
from slurmtf.plots.chart import Chart, escape_unprintable
from slurmtf.plots.svg import COLOURS, MOST_POINTS
from slurmtf.plots.terminal import describe_hidden

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def to_png(charts: Sequence[Chart]) -> bytes:
    """Return charts one below the other. Raises InputError where there is no matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - 350 ms that only a PNG pays
    except ImportError:
        what = "a PNG is drawn by matplotlib, which is not installed"
        remedy = "install matplotlib beside slurmtf, or save as .svg or .html, which need nothing"
        raise InputError(Finding("no-matplotlib", "--save", what, remedy)) from None
    figure = Figure(figsize=(8, 4.5 * max(1, len(charts))), layout="constrained")
    for number, chart in enumerate(charts, 1):
        _draw(chart, figure.add_subplot(max(1, len(charts)), 1, number))
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _draw(chart: Chart, plot: Axes) -> None:
    plot.set_title(_escape_text(chart.title))
    plot.set_xlabel(_escape_text(chart.x_label))
    plot.set_ylabel(_escape_text(chart.y_label))
    plot.set_xscale("log" if chart.log_x else "linear")
    plot.set_yscale("log" if chart.log_y else "linear")
    plot.grid(alpha=0.3)
    for number, curve in enumerate(chart.curves):
        colour, label = COLOURS[number % len(COLOURS)], _escape_text(curve.label + describe_hidden(chart, curve))
        pieces = chart.split_curve(curve, MOST_POINTS) or [[]]
        for piece in pieces:
            marker = "o" if curve.shape == "dots" or len(piece) == 1 else ""
            style = "none" if curve.shape == "dots" else "-"
            plot.plot(*_split_columns(piece), color=colour, marker=marker, linestyle=style, label=label)
            label = ""
    if chart.curves:
        plot.legend(fontsize="small")


def _split_columns(piece: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in piece], [y for _, y in piece]


def _escape_text(text: str) -> str:
    """Return text in which matplotlib sees no formula, and which a legend does not leave out ('_...')."""
    plain = escape_unprintable(text).replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain
