"""The running trial's values of the primary metric, read from its own files as they grow.

Its script logs with slurmtf's Run, or it knows nothing of slurmtf and writes TensorBoard's event files. The first of the two
that has the metric is the one that is read from then on.
"""

import os
import time
from typing import Dict, List, Set

from ..contract.layout import RunLayout
from ..contract.metrics import entries
from ..contract.metrics.event_files import EventFile, find_event_files

LOOK_S = 5.0
"""Seconds between two searches for new event files, each of which walks folders."""


class Progress:
    """Reads one trial's metrics, those of ``task``. ``resumes``: what earlier attempts logged counts too."""

    def __init__(self, layout: RunLayout, task: str, metric: str, resumes: bool) -> None:
        self._layout = layout
        self._task = task
        self._path = layout.task_metrics(task)
        self._metric = metric
        self._offset = 0 if resumes or not os.path.exists(self._path) else os.path.getsize(self._path)
        self._events: Dict[str, EventFile] = {}
        self._earlier = set() if resumes else {file.path for file in find_event_files(layout)}
        self._next_look = 0.0
        self._is_logged = False
        self.values: List[float] = []
        self.names: Set[str] = set()

    def read_new(self, at_end: bool = False) -> List[float]:
        """Return the values that are new since the last call. ``at_end``: the trial has ended, and no file may be missed."""
        found = self._read_log()
        self._is_logged = self._is_logged or bool(found)
        if not self._is_logged:
            found = self._read_events(at_end)
        self.values.extend(found)
        return found

    def _read_log(self) -> List[float]:
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [value for line in whole.split(b"\n") for value in self._parse_line(line)]

    def _parse_line(self, line: bytes) -> List[float]:
        entry = entries.from_line(line) if line else None
        if entry is None:
            return []
        values = entry.value if isinstance(entry.value, (list, tuple)) else [entry.value]
        numbers = [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        if entry.name != self._metric:
            self.names.update([entry.name] if numbers else [])
            return []
        return numbers

    def _read_events(self, at_end: bool) -> List[float]:
        now = time.monotonic()
        if now >= self._next_look or at_end:
            self._next_look = now + LOOK_S
            for file in find_event_files(self._layout):
                if file.path not in self._earlier and file.task in ("", self._task):
                    self._events.setdefault(file.path, file)
        found = []
        for _, file in sorted(self._events.items()):
            for name, point in file.read_new_points():
                if name == self._metric:
                    found.append(point.value)
                else:
                    self.names.add(name)
        return found
