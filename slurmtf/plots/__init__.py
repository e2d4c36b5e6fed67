"""Charts: plain data in, text, SVG, HTML or PNG out. Knows nothing of runs, disks and terminals."""

from __future__ import annotations

from slurmtf.plots.axes import Axis, axis_of
from slurmtf.plots.chart import Chart, Curve, printable

__all__ = ["Axis", "Chart", "Curve", "axis_of", "printable"]
