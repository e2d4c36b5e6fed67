"""Charts: plain data in, text, SVG, HTML or PNG out. Knows nothing of runs, disks and terminals."""

from __future__ import annotations

from slurmtf.plots.axes import Axis, build_axis
from slurmtf.plots.chart import Chart, Curve, escape_unprintable

__all__ = ["Axis", "Chart", "Curve", "build_axis", "escape_unprintable"]
