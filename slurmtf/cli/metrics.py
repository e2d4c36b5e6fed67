"""Metrics as text, as rows and as data; also while they grow."""

from __future__ import annotations

import csv
import io
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

import click

from slurmtf.cli.output import LABEL_COLOURS, cut, escape, escape_line_breaks, format_table, format_time, paint
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Point
from slurmtf.plots.chart import Chart
from slurmtf.plots.terminal import render_chart
from slurmtf.runs.metrics.curves import RunSeries, build_charts, format_value, is_chosen, select_series
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.files import Other
from slurmtf.runs.metrics.reading import MetricsReader

OtherOf: TypeAlias = "tuple[str, str, Other]"
"""What a task of a run has logged that is no number: the run's id, the task, and the thing."""
Found: TypeAlias = "tuple[str, RunLayout, str, Owners]"
"""A run by its id, or one within a run: the run's folder, its own in that, and what tells its tasks."""
COLUMNS = ("run", "task", "name", "step", "time", "value")
HEIGHT, LEAST_HEIGHT = 16, 4
FRAME_S = 1.0
"""The interval in seconds at which a growing plot is redrawn."""


def to_json_number(value: float | None) -> float | str | None:
    """Return a number for JSON: one that JSON does not have becomes a string ('NaN', 'Infinity', '-Infinity')."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def build_series_data(run: str, found: Sequence[RunSeries], others: Sequence[OtherOf] = ()) -> dict[str, object]:
    """Return a run's metrics as the data of the envelope."""
    return {
        "run": run,
        "metrics": [_build_metric_data(one) for one in found if one.run == run],
        "others": [{"task": task, **asdict(one)} for name, task, one in others if name == run],
    }


def _build_metric_data(one: RunSeries) -> dict[str, object]:
    low, high = one.bounds
    points = [[point.step, point.time, to_json_number(point.value)] for point in one.series.points]
    return {
        "name": one.name,
        "task": one.series.task,
        "last": to_json_number(one.last),
        "min": to_json_number(low),
        "max": to_json_number(high),
        "points": points,
    }


def format_summary(found: Sequence[RunSeries], all_ranks: bool) -> str:
    """Return a table with a line for each metric of each run."""
    if not found:
        return ""
    heading = ["RUN", *(["TASK"] if all_ranks else []), "METRIC", "LAST", "STEP", "MIN", "MAX"]
    lines = [
        [
            one.run,
            *([one.series.task] if all_ranks else []),
            one.name,
            *map(format_value, (one.last, one.last_step, *one.bounds)),
        ]
        for one in found
    ]
    return format_table([heading, *lines])


def format_others(found: Sequence[OtherOf], all_ranks: bool) -> str:
    """Return a table of logged values that are no numbers."""
    if not found:
        return ""
    heading = ["RUN", *(["TASK"] if all_ranks else []), "ALSO LOGGED", "WHAT", "VALUE"]
    return format_table(
        [heading, *([run, *([task] if all_ranks else []), one.name, one.kind, cut(one.value)] for run, task, one in found)]
    )


def iterate_csv_lines(found: Sequence[RunSeries]) -> Iterator[str]:
    """Yield the values as CSV lines, after a header."""
    yield ",".join(COLUMNS)
    for one in found:
        yield from (_format_csv_line(one, point) for point in one.series.points)


def _format_csv_line(one: RunSeries, point: Point) -> str:
    line = io.StringIO()
    step = "" if point.step is None else format_value(point.step)
    csv.writer(line, lineterminator="").writerow(
        [one.run, one.series.task, one.name, step, f"{point.time:.3f}", repr(point.value)]
    )
    return line.getvalue()


def plot(found: Sequence[RunSeries], log: bool, all_ranks: bool, height: int = HEIGHT) -> str:
    """Return a plot of each metric in the terminal's width."""
    width = shutil.get_terminal_size((100, 24)).columns
    return "\n\n".join(_draw(chart, width, height) for chart in build_charts(found, log, all_ranks))


def _draw(chart: Chart, width: int, height: int) -> str:
    several = len(chart.curves) > 1
    lines = [[(escape_line_breaks(text), curve) for text, curve in line] for line in render_chart(chart, width, height)]
    return "\n".join(
        "".join(paint(text, _get_colour(curve)) if several and curve is not None else text for text, curve in line).rstrip()
        for line in lines
    )


def _get_colour(curve: int) -> str:
    return LABEL_COLOURS[curve % len(LABEL_COLOURS)]


@dataclass
class MetricsFollower:
    """Shows the metrics of runs as they grow: a plot that is redrawn, or a line for each new value. ``look`` returns the
    current runs."""

    look: Callable[[], Iterable[Found]]
    names: Sequence[str] = ()
    all_ranks: bool = False
    plotted: bool = False
    log: bool = False
    as_csv: bool = False
    readers: dict[str, MetricsReader] = field(default_factory=dict)
    _shown: dict[tuple[str, str, str], Point] = field(default_factory=dict)
    _headed: bool = False
    _lines: int = 0
    _drawn_at: float = -math.inf

    def read(self) -> list[RunSeries]:
        """Read what is new, and return everything."""
        for run, layout, folder, owners in self.look():
            if run not in self.readers:
                self.readers[run] = MetricsReader(layout, folder, owners)
        for reader in self.readers.values():
            reader.read_new()
        return select_series(self.readers, self.names, self.all_ranks)

    def list_others(self) -> list[OtherOf]:
        """Return what was read that is not a number."""
        return [
            (run, task or reader.chief, one)
            for run, reader in self.readers.items()
            for task in (reader.tasks if self.all_ranks else [None])
            for one in reader.others(task)
            if is_chosen(one.name, self.names)
        ]

    def show_new(self) -> None:
        """Show what is new since the last call."""
        if not self.plotted:
            self._tell()
        elif sys.stdout.isatty() and time.monotonic() >= self._drawn_at + FRAME_S:
            self._draw()

    def show_rest(self) -> None:
        """Show everything that is left."""
        if not self.plotted:
            self._tell()
        elif sys.stdout.isatty():
            self._draw()
        else:
            click.echo(escape(plot(self.read(), self.log, self.all_ranks)))

    def _tell(self) -> None:
        if self.as_csv and not self._headed:
            click.echo(",".join(COLUMNS))
            self._headed = True
        for one in self.read():
            for point in self._take_new_points(one):
                click.echo(escape(_format_csv_line(one, point) if self.as_csv else self._format_line(one, point)))
        sys.stdout.flush()

    def _take_new_points(self, one: RunSeries) -> Sequence[Point]:
        """Return the points after the last shown one."""
        key, points = (one.run, one.series.task, one.name), one.series.points
        known = self._shown.get(key)
        self._shown[key] = points[-1]
        if known is None:
            return points
        place = next((place for place in range(len(points) - 1, -1, -1) if points[place] == known), -1)
        return points[place + 1 :] if place >= 0 else [point for point in points if point.time > known.time]

    def _format_line(self, one: RunSeries, point: Point) -> str:
        run = f"{one.run} " if len(self.readers) > 1 else ""
        task = f"{one.series.task} " if self.all_ranks else ""
        step = "" if point.step is None else f" at {format_value(point.step)}"
        return f"{format_time(point.time)} {run}{task}{escape_line_breaks(one.name)} {format_value(point.value)}{step}"

    def _draw(self) -> None:
        """Redraw the plot in place: as many metrics as the terminal has room for."""
        found = self.read()
        text = self._plot_fitting(found)
        back = f"\x1b[{self._lines}F\x1b[J" if self._lines else ""
        sys.stdout.write(back + escape(text) + "\n")
        sys.stdout.flush()
        self._lines, self._drawn_at = text.count("\n") + 1, time.monotonic()

    def _plot_fitting(self, found: list[RunSeries]) -> str:
        names = list(dict.fromkeys(one.name for one in found))
        if not names:
            return "no metric yet"
        room = shutil.get_terminal_size((100, 24)).lines - 2
        curves = max(sum(one.name == name for one in found) for name in names)
        count = max(1, min(len(names), room // (LEAST_HEIGHT + curves + 4)))
        height = min(HEIGHT, max(LEAST_HEIGHT, room // count - curves - 4))
        kept = [one for one in found if one.name in names[:count]]
        more = f"\nand {len(names) - count} more: choose with --name" if len(names) > count else ""
        return plot(kept, self.log, self.all_ranks, height) + more
