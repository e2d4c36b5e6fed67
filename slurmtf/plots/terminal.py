"""A chart in characters: braille, eight dots in each, with axes and a legend."""

from __future__ import annotations

from collections.abc import Iterator

from slurmtf.plots.axes import Axis
from slurmtf.plots.chart import Chart, Curve, Dot, escape_unprintable

Span = tuple[str, int | None]
"""Text, and the number of the curve in whose colour it stands."""
BLANK = 0x2800
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The dots of a braille character, by row and column (Unicode, chapter 21.1)."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LEAST_WIDTH, LEAST_HEIGHT = 16, 3


class _Canvas:
    """Cells of two by four dots; each has the colour of the curve that was drawn there last."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells: dict[tuple[int, int], tuple[int, int]] = {}

    def set(self, x: int, y: int, curve: int) -> None:
        bits, _ = self._cells.get((y // 4, x // 2), (0, 0))
        self._cells[y // 4, x // 2] = bits | BITS[y % 4][x % 2], curve

    def draw_line(self, start: tuple[int, int], end: tuple[int, int], curve: int) -> None:
        """Set the dots between two, both among them."""
        count = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for number in range(count + 1):
            x, y = (round(a + (b - a) * number / count) for a, b in zip(start, end, strict=True))
            self.set(x, y, curve)

    def row(self, number: int) -> Iterator[Span]:
        for column in range(self.width):
            bits, curve = self._cells.get((number, column), (0, None))
            yield (chr(BLANK + bits) if bits else " "), curve


def render_chart(chart: Chart, width: int = 80, height: int = 16) -> list[list[Span]]:
    """Return the lines of a chart: its title, ``height`` lines of plot, the axis, and a line for each curve."""
    x_axis, y_axis = chart.x_axis, chart.y_axis
    height = max(LEAST_HEIGHT, height)
    labels = {_place_row(y_axis, tick, height): y_axis.format_tick(tick) for tick in reversed(y_axis.ticks)}
    margin = max(map(len, labels.values()), default=0)
    several = len(chart.curves) > 1
    label = escape_unprintable(chart.x_label)
    right = max(several * 4, len(label) + 1)
    canvas = _Canvas(max(LEAST_WIDTH, width - margin - 2 - right), height)
    ends = [_draw(chart, number, canvas, x_axis, y_axis) for number in range(len(chart.curves))]
    letters: dict[int, list[int]] = {}
    for number, end in enumerate(ends):
        if several and end is not None:
            letters.setdefault(end, []).append(number)
    found: list[list[Span]] = [[(escape_unprintable(chart.title), None)]]
    for number in range(height):
        edge = f"{labels.get(number, ''):>{margin}} {'┤' if number in labels else '│'}"
        marks: list[Span] = [(get_letter(one), one) for one in letters.get(number, [])[:3]]
        found.append([(edge, None), *canvas.row(number), (" ", None), *marks])
    found += [[(line, None)] for line in _draw_x_axis(x_axis, canvas.width, margin, label)]
    return [*found, *(_build_legend(chart, number) for number in range(len(chart.curves)))]


def _place_row(axis: Axis, value: float, height: int) -> int:
    return round((1 - axis.place(value)) * (height * 4 - 1)) // 4


def get_letter(number: int) -> str:
    """Return the letter of a curve: it tells curves apart where there are no colours."""
    return LETTERS[number % len(LETTERS)]


def _draw(chart: Chart, number: int, canvas: _Canvas, x_axis: Axis, y_axis: Axis) -> int | None:
    """Draw a curve and return the row in which it ends."""

    def place_dot(point: Dot) -> tuple[int, int]:
        across, down = x_axis.place(point[0]), 1 - y_axis.place(point[1])
        return round(across * (canvas.width * 2 - 1)), round(down * (canvas.height * 4 - 1))

    curve, last = chart.curves[number], None
    for piece in chart.split_curve(curve, canvas.width * 10):
        dots = [place_dot(point) for point in piece]
        joined = dots[1:] if curve.shape != "dots" else []
        for one in dots:
            canvas.set(*one, number)
        for start, end in zip(dots, joined, strict=False):
            canvas.draw_line(start, end, number)
        last = dots[-1][1] // 4
    return last


def _draw_x_axis(axis: Axis, width: int, margin: int, label: str) -> list[str]:
    """Return the line of the axis and the one of its ticks; a tick that has no room is left out."""
    line, words = ["─"] * width, [" "] * width
    free = 0
    for tick in axis.ticks:
        column, text = round(axis.place(tick) * (width - 1)), axis.format_tick(tick)
        start = min(max(0, column - len(text) // 2), width - len(text))
        if start >= free:
            line[column] = "┬"
            words[start : start + len(text)] = text
            free = start + len(text) + 2
    return [" " * margin + " └" + "".join(line), " " * (margin + 2) + "".join(words) + (f" {label}" if label else "")]


def _build_legend(chart: Chart, number: int) -> list[Span]:
    curve = chart.curves[number]
    mark = f"{get_letter(number)} " if len(chart.curves) > 1 else ""
    return [(f"  {mark}⠒⠒ ", number), (escape_unprintable(curve.label) + describe_hidden(chart, curve), None)]


def describe_hidden(chart: Chart, curve: Curve) -> str:
    """Return what a legend adds to a label: what is not to be seen."""
    hidden = chart.count_hidden(curve)
    if not curve.points:
        return " (no values)"
    return f" ({hidden} of {len(curve.points)} values can't be drawn)" if hidden else ""


def to_text(lines: list[list[Span]]) -> str:
    """Return lines as text without colours."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)
