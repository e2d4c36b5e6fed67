"""A chart as SVG. Whatever text a user typed is escaped."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from html import escape

from slurmtf.plots.axes import Axis
from slurmtf.plots.chart import Chart, Curve, escape_unprintable
from slurmtf.plots.terminal import describe_hidden

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a6d3b")
"""Okabe and Ito's, which the colour-blind can tell apart, darker ones first."""
WIDTH, PLOT_HEIGHT, LEGEND_HEIGHT = 720, 320, 18
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 32, 44
MOST_POINTS = 2000
FONT = "system-ui, sans-serif"


def build_element(name: str, content: str = "", /, **attributes: object) -> str:
    """Return an element. ``content`` is markup; attributes are text, with '_' for '-' in their names."""
    written = "".join(f' {key.strip("_").replace("_", "-")}="{_format_attribute(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _format_attribute(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else escape(escape_unprintable(str(value)))


def build_text(text: str, x: float, y: float, **attributes: object) -> str:
    """Return a text element."""
    return build_element("text", escape(escape_unprintable(text)), x=x, y=y, **{"font_size": 12, "fill": "#333", **attributes})


def to_svg(chart: Chart, standalone: bool = True) -> str:
    """Return a chart as an SVG element; ``standalone`` adds what a file of its own needs."""
    height = compute_height(chart)
    x_axis, y_axis = chart.x_axis, chart.y_axis
    parts = [
        build_element("title", escape(escape_unprintable(chart.title)) or "chart"),
        build_element("rect", width=WIDTH, height=height, fill="#fff"),
        build_text(chart.title, LEFT, 20, font_size=14, font_weight="bold"),
        *(_draw_x_tick(x_axis, tick) for tick in x_axis.ticks),
        *(_draw_y_tick(y_axis, tick) for tick in y_axis.ticks),
        build_element("rect", x=LEFT, y=TOP, width=WIDTH - LEFT - RIGHT, height=PLOT_HEIGHT, fill="none", stroke="#888"),
        build_text(chart.x_label, WIDTH - RIGHT, TOP + PLOT_HEIGHT + 36, text_anchor="end"),
        build_text(chart.y_label, LEFT, TOP - 4) if chart.y_label != chart.title else "",
        *(_draw_curve(chart, number, x_axis, y_axis) for number in range(len(chart.curves))),
    ]
    space = {"xmlns": "http://www.w3.org/2000/svg"} if standalone else {}
    view = {"viewBox": f"0 0 {WIDTH} {height}", "width": WIDTH, "height": height, "role": "img", "font_family": FONT}
    return build_element("svg", "\n".join(filter(None, parts)), **space, **view)


def compute_height(chart: Chart) -> int:
    """Return how high the image of a chart is."""
    return TOP + PLOT_HEIGHT + BOTTOM + LEGEND_HEIGHT * len(chart.curves)


def stack(charts: Sequence[Chart]) -> str:
    """Return charts one below the other as one SVG file."""
    tops = [0, *itertools.accumulate(compute_height(chart) for chart in charts)]
    drawn = "\n".join(
        build_element("g", to_svg(chart, standalone=False), transform=f"translate(0 {top})")
        for chart, top in zip(charts, tops, strict=False)
    )
    height = max(tops[-1], LEGEND_HEIGHT)
    return build_element(
        "svg", drawn, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", width=WIDTH, height=height
    )


def place_x(axis: Axis, value: float) -> float:
    """Return where a value of the x axis stands."""
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def place_y(axis: Axis, value: float) -> float:
    """Return where a value of the y axis stands."""
    return TOP + (1 - axis.place(value)) * PLOT_HEIGHT


def _draw_x_tick(axis: Axis, tick: float) -> str:
    x, bottom = place_x(axis, tick), TOP + PLOT_HEIGHT
    line = build_element("line", x1=x, x2=x, y1=float(TOP), y2=float(bottom), stroke="#eee")
    return line + build_text(axis.format_tick(tick), x, bottom + 16, text_anchor="middle")


def _draw_y_tick(axis: Axis, tick: float) -> str:
    y = place_y(axis, tick)
    line = build_element("line", x1=float(LEFT), x2=float(WIDTH - RIGHT), y1=y, y2=y, stroke="#eee")
    return line + build_text(axis.format_tick(tick), LEFT - 6, y + 4, text_anchor="end")


def _draw_curve(chart: Chart, number: int, x_axis: Axis, y_axis: Axis) -> str:
    """Return a curve and its line of the legend in one group, which a page can hide or ask for its points."""
    curve, colour = chart.curves[number], COLOURS[number % len(COLOURS)]
    pieces = chart.split_curve(curve, MOST_POINTS)
    placed = [[(place_x(x_axis, x), place_y(y_axis, y)) for x, y in piece] for piece in pieces]
    drawn = "".join(_draw(curve, piece, colour) for piece in placed)
    y = TOP + PLOT_HEIGHT + BOTTOM + 10 + LEGEND_HEIGHT * number
    mark = build_element("rect", x=LEFT, y=y - 8, width=14, height=4, fill=colour)
    legend = build_element("g", mark + build_text(curve.label + describe_hidden(chart, curve), LEFT + 20, y), _class="legend")
    points = [
        [round(left, 1), round(top, 1), f"{x:.6g}", f"{y:.6g}"]
        for piece, places in zip(pieces, placed, strict=True)
        for (x, y), (left, top) in zip(piece, places, strict=True)
    ]
    inside = build_element("g", drawn or build_element("g"), _class="drawn") + legend
    return build_element("g", inside, _class="curve", data_label=curve.label, data_points=json.dumps(points))


def _draw(curve: Curve, piece: list[tuple[float, float]], colour: str) -> str:
    if curve.shape == "dots" or len(piece) == 1:
        return "".join(build_element("circle", cx=x, cy=y, r=3, fill=colour) for x, y in piece)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in piece)
    return build_element("polyline", points=corners, fill="none", stroke=colour, stroke_width=1.5, stroke_linejoin="round")
