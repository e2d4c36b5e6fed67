"""Read the metrics of a run from outside: those that its script logged, and those in TensorBoard's event files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, Point
from slurmtf.job.contract.metrics.event_files import EventFile, find_event_files
from slurmtf.job.contract.metrics.shapes import to_azure_shape
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import TRIALS, SweepLayout, get_trial_folder
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.files import LoggedFile, Other, Source

MOST_POINTS = 1 << 15
"""The most points of a series that a reader keeps; of a longer one, every second, fourth ... point and the last."""


@dataclass(frozen=True)
class Series:
    """The numbers of one metric of one task, in the order in which they were logged."""

    name: str
    task: str
    points: tuple[Point, ...]


@dataclass
class _Kept:
    """The points of a series, in bounded memory."""

    points: list[Point] = field(default_factory=list)
    stride: int = 1
    count: int = 0
    last: Point | None = None

    def add(self, point: Point) -> None:
        if self.count % self.stride == 0:
            self.points.append(point)
            if len(self.points) >= MOST_POINTS:
                self.points, self.stride = self.points[::2], self.stride * 2
        self.count += 1
        self.last = point

    def list_shown(self) -> list[Point]:
        skipped = self.last is not None and self.points[-1:] != [self.last]
        return [*self.points, *([self.last] if skipped and self.last else [])]


@dataclass
class _Read:
    """One file, and the points read from it."""

    source: Source
    task: str
    kept: dict[str, _Kept] = field(default_factory=dict)

    def read_new(self) -> int:
        if _get_size(self.source.path) < self.source.offset:  # it has been rewritten
            self.source.offset, self.kept = 0, {}
        count = 0
        for name, point in self.source.read_new_points():
            self.kept.setdefault(name, _Kept()).add(point)
            count += 1
        return count


class MetricsReader:
    """Reads the metrics of a run as they grow, in bounded memory: see MOST_POINTS.

    ``folder`` is that of one launch, inside the run's; ``owners`` has the launch's tasks, which may differ from the run's.
    """

    def __init__(self, layout: RunLayout, folder: str = "", owners: Owners | None = None) -> None:
        self._layout = layout
        self._folder = folder
        self._read: dict[Path, _Read] = {}
        self._owners = owners or Owners(layout)

    @property
    def chief(self) -> str:
        """The task whose metrics are the run's."""
        return self._owners.chief

    @property
    def tasks(self) -> list[str]:
        """The tasks that have logged something."""
        return sorted({read.task for read in self._read.values() if read.kept or self.others(read.task)})

    def read_new(self) -> int:
        """Read what is new, skipping what can't be read, and return the number of new values."""
        for source in find_sources(self._layout, self._folder):
            path = Path(source.path)
            if path not in self._read:
                self._read[path] = _Read(source, self._owners.find_task(source) if isinstance(source, EventFile) else path.stem)
        return sum(read.read_new() for read in self._read.values())

    def series(self, task: str | None = None) -> dict[str, Series]:
        """Return the series of one task, by default of rank 0 or the chief, by metric name."""
        wanted = self.chief if task is None else task
        found: dict[str, list[Point]] = {}
        for _, read in sorted(self._read.items()):
            if read.task == wanted:
                for name, kept in read.kept.items():
                    found.setdefault(name, []).extend(kept.list_shown())
        return {name: Series(name, wanted, tuple(points)) for name, points in found.items()}

    def others(self, task: str | None = None) -> list[Other]:
        """Return the values of one task, by default of rank 0 or the chief, that are not numbers."""
        wanted = self.chief if task is None else task
        own = (read.source for _, read in sorted(self._read.items()) if read.task == wanted)
        return [other for source in own if isinstance(source, LoggedFile) for other in source.others.values()]


def find_sources(layout: RunLayout, folder: str = "") -> Iterator[LoggedFile | EventFile]:
    """Yield the files with the numbers of a run, or of one of its launches."""
    yield from map(LoggedFile, find_logged_files(layout, folder))
    yield from find_event_files(layout.launch(folder))


def walk_children(layout: RunLayout) -> Iterator[tuple[str, RunLayout]]:
    """Yield the child runs that a script opened, and recursively theirs, with their ids."""
    for path in sorted(Path(layout.children).glob("*")):
        child = layout.child(path.name)
        yield path.name, child
        yield from walk_children(child)


def iterate_trials(layout: RunLayout) -> Iterator[tuple[str, RunLayout, Owners]]:
    """Yield the id (``<sweep>_<number>``), the layout and the owners of each trial of a sweep that has begun."""
    name, files = Path(layout.folder).name, SweepLayout(layout.folder)
    differ = Ledger(files) if os.path.exists(files.launches) else None  # noqa: PTH110
    alike = Owners(layout)
    for number in sorted(int(path.name) for path in Path(layout.folder, TRIALS).glob("[0-9]*")):
        owners = Owners(layout, differ.points.get(number).values) if differ else alike
        yield f"{name}_{number}", layout.launch(get_trial_folder(number)), owners


def walk_descendants(layout: RunLayout, owners: Owners) -> Iterator[tuple[str, RunLayout, Owners]]:
    """Yield all runs within a run in the form of :func:`iterate_trials`: its child runs, its trials, and their child runs."""
    yield from ((*child, owners) for child in walk_children(layout))
    for name, trial, its in iterate_trials(layout):
        yield name, trial, its
        yield from ((*child, its) for child in walk_children(trial))


def find_logged_files(layout: RunLayout, folder: str = "") -> list[Path]:
    """Return the files that the tasks of a run have logged into."""
    return sorted(Path(layout.launch(folder).metrics).glob("*.jsonl"))


def read_entries(layout: RunLayout, task: str, folder: str = "") -> Iterator[Entry]:
    """Yield all entries that one task has logged."""
    return LoggedFile(Path(layout.launch(folder).task_metrics(task))).read_new_entries()


def read_metrics(layout: RunLayout, owners: Owners, name: str | None = None, all_ranks: bool = False) -> JsonObject:
    """Return the metrics of a run's chief in Azure ML's shapes, by name; with ``all_ranks``, those of each task by its name.

    A metric that a task logged itself takes precedence over one in event files.
    """
    written: dict[str, list[EventFile]] = {}
    for file in find_event_files(layout):
        written.setdefault(owners.find_task(file), []).append(file)
    tasks = {path.stem for path in find_logged_files(layout)} | {*written}
    found = {
        task: {**_read_event_files(written.get(task, ()), name), **_read_task_metrics(layout, task, name)}
        for task in [owners.chief, *sorted(tasks - {owners.chief})]
        if all_ranks or task == owners.chief
    }
    return found if all_ranks else found[owners.chief]


def _read_event_files(files: Iterable[EventFile], name: str | None) -> dict[str, object]:
    points = (found for file in files for found in file.read_new_points())
    return to_azure_shape(Entry(tag, point.value) for tag, point in points if name in (None, tag))


def _read_task_metrics(layout: RunLayout, task: str, name: str | None) -> dict[str, object]:
    return to_azure_shape(entry for entry in read_entries(layout, task) if name in (None, entry.name))


def _get_size(path: str | Path) -> int:
    try:
        return os.path.getsize(path)  # noqa: PTH202 - raises for fewer names
    except OSError:
        return 0
