"""Turn the metrics of runs into curves for tables, plots and notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from slurmtf.job.contract.layout import RunLayout
from slurmtf.plots import Chart, Curve
from slurmtf.runs.metrics.reading import MetricsReader, Series


@dataclass(frozen=True)
class RunSeries:
    """One metric of one task of a run."""

    run: str
    series: Series

    @property
    def name(self) -> str:
        return self.series.name

    @property
    def last(self) -> float:
        """The last logged value."""
        return self.series.points[-1].value

    @property
    def last_step(self) -> float:
        """The step of the last value; if steps are missing, its index among the values, from 1."""
        return compute_x_values(self.series)[-1]

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest finite value; NaN if there is none."""
        finite = [point.value for point in self.series.points if not math.isnan(point.value)]
        return min(finite, default=math.nan), max(finite, default=math.nan)


def compute_x_values(series: Series) -> list[float]:
    """Return each value's position on the x axis: its step, or its index from 1 if any step is missing."""
    steps = [point.step for point in series.points]
    if any(step is None for step in steps):
        return [float(number) for number in range(1, len(steps) + 1)]
    return [float(step) for step in steps if step is not None]


def select_series(
    readers: Mapping[str, MetricsReader], patterns: Sequence[str] = (), all_ranks: bool = False
) -> list[RunSeries]:
    """Return the series of runs (a mapping from id to reader) that have values, grouped by name.

    ``patterns``: see :func:`is_chosen`.
    """
    found = [
        RunSeries(run, series)
        for run, reader in readers.items()
        for task in (reader.tasks if all_ranks else [None])
        for series in reader.series(task).values()
        if series.points and is_chosen(series.name, patterns)
    ]
    order = {name: place for place, name in enumerate(dict.fromkeys(one.name for one in found))}
    return sorted(found, key=lambda one: order[one.name])


def is_chosen(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a metric matches one of the patterns, which may contain * and ?; without patterns, all metrics match.

    The name of a table or row stands for its columns.
    """
    return not patterns or any(fnmatchcase(part, pattern) for pattern in patterns for part in (name, name.rpartition("/")[0]))


def build_charts(found: Iterable[RunSeries], log: bool = False, all_ranks: bool = False) -> list[Chart]:
    """Return a chart for each metric, with the runs (and with ``all_ranks`` their tasks) in the same axes."""
    by_name: dict[str, list[RunSeries]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one)
    return [
        Chart(name, [_build_curve(one, all_ranks) for one in several], "step", log_y=log) for name, several in by_name.items()
    ]


def _build_curve(one: RunSeries, all_ranks: bool) -> Curve:
    label = f"{one.run} {one.series.task}" if all_ranks else one.run
    points = list(zip(compute_x_values(one.series), (point.value for point in one.series.points), strict=True))
    return Curve(f"{label}: {format_value(one.last)} at {format_value(one.last_step)}", points)


def read_series(layout: RunLayout, name: str) -> RunSeries | None:
    """Return the series of one metric of a run's rank 0 or chief, without the run's id; None while it has no value."""
    reader = MetricsReader(layout)
    reader.read_new()
    series = reader.series().get(name)
    return RunSeries("", series) if series and series.points else None


def format_value(value: float) -> str:
    """Format a number with six significant digits."""
    return f"{value:.6g}"
