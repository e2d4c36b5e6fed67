"""What is drawn: a chart of curves, whatever they mean."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from slurmtf.plots.axes import Axis, build_axis

Dot = tuple[float, float]
"""x and y."""


@dataclass(frozen=True)
class Curve:
    """Points in the order in which they are joined. ``steps`` holds each value until the next one; ``dots`` joins none."""

    label: str
    points: Sequence[Dot]
    shape: Literal["line", "steps", "dots"] = "line"


@dataclass(frozen=True)
class Chart:
    """Curves over the same axes. A logarithmic axis shows positive values only."""

    title: str
    curves: Sequence[Curve]
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    log_y: bool = False

    @property
    def x_axis(self) -> Axis:
        return build_axis((x for curve in self.curves for x, y in curve.points if math.isfinite(y)), self.log_x)

    @property
    def y_axis(self) -> Axis:
        return build_axis((y for curve in self.curves for x, y in curve.points if math.isfinite(x)), self.log_y)

    def split_curve(self, curve: Curve, most: int) -> list[list[Dot]]:
        """Return the parts of a curve that can be drawn, about ``most`` points in all: it is broken where a value is none."""
        found: list[list[Dot]] = [[]]
        for x, y in thin_points(curve.points, most):
            if is_shown(x, self.log_x) and is_shown(y, self.log_y):
                found[-1].append((x, y))
            elif found[-1]:
                found.append([])
        return [_add_corners(piece) if curve.shape == "steps" else piece for piece in found if piece]

    def count_hidden(self, curve: Curve) -> int:
        """Return how many points of a curve can't be drawn."""
        return sum(not (is_shown(x, self.log_x) and is_shown(y, self.log_y)) for x, y in curve.points)


def is_shown(value: float, log: bool) -> bool:
    """Return whether an axis has a place for a value."""
    return math.isfinite(value) and (value > 0 or not log)


def _add_corners(piece: list[Dot]) -> list[Dot]:
    corners = [corner for (_, y), (x, after) in itertools.pairwise(piece) for corner in ((x, y), (x, after))]
    return [*piece[:1], *corners]


def thin_points(points: Sequence[Dot], most: int) -> Sequence[Dot]:
    """Return about ``most`` of the points, with the least and the greatest of each stretch, and one that is no number."""
    if len(points) <= most:
        return points
    size = math.ceil(len(points) / max(1, most // 5))
    found: list[Dot] = []
    for start in range(0, len(points), size):
        found += _select_representatives(points[start : start + size])
    return found


def _select_representatives(stretch: Sequence[Dot]) -> Iterable[Dot]:
    finite = [place for place, (_, y) in enumerate(stretch) if math.isfinite(y)]
    broken = [place for place, (_, y) in enumerate(stretch) if not math.isfinite(y)][:1]
    if not finite:
        return [stretch[broken[0]]]
    least, greatest = min(finite, key=lambda i: stretch[i][1]), max(finite, key=lambda i: stretch[i][1])
    return [stretch[place] for place in sorted({finite[0], least, greatest, finite[-1], *broken})]


def escape_unprintable(text: str) -> str:
    """Return text on one line, in which nothing controls a terminal and everything is a character of XML."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
