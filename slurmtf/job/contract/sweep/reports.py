"""What the elements of a sweep report about their trials and themselves: each appends to its own file."""

import contextlib
import os
from typing import Dict, List, Optional

from .records import Event

VALUE_PREFIX = b'{"kind": "value"'
"""The beginning of the line of a logged value (:meth:`.records.Event.to_line`)."""


class Trial:
    """What the elements have reported about a trial. ``curve``: its last attempt's values of the primary metric; ``released``:
    the causes for which attempts were given up; ``trouble``: the error of the last one that could not be launched."""

    def __init__(self) -> None:
        self.attempt = 0
        self.curve: List[float] = []
        self.released: Dict[int, str] = {}
        self.trouble = ""
        self.took: Optional[Event] = None
        self.element = ""
        self.ended: Optional[Event] = None

    def take(self, event: Event, element: str) -> None:
        if event.kind == "took" and event.attempt >= self.attempt:
            self.took, self.element = event, element
        if event.attempt > self.attempt:
            self.attempt, self.curve = event.attempt, []
        if event.kind == "value" and event.attempt == self.attempt and event.number == len(self.curve) + 1:
            self.curve.append(event.value)
        elif event.kind == "released":
            self.released[event.attempt] = event.status
            self.trouble = event.text or self.trouble
        elif event.kind == "ended":
            self.ended = self.ended or event


class Reports:
    """The reports that have been read so far. ``curves``: whether to read the trials' values too.

    ``trials`` has the reports about each trial, ``last`` each element's last report about itself, ``ends`` the ends of trials
    in the order in which they were read.
    """

    def __init__(self, folder: str, curves: bool) -> None:
        self._folder = folder
        self._curves = curves
        self._offsets: Dict[str, int] = {}
        self.trials: Dict[int, Trial] = {}
        self.last: Dict[str, Event] = {}
        self.ends: List[Event] = []

    def refresh(self) -> None:
        """Read what the elements have written since the last call."""
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.scandir(self._folder), key=lambda one: one.name):
                if entry.name.endswith(".jsonl"):
                    self._read(entry.path, entry.name[: -len(".jsonl")])

    def _read(self, path: str, element: str) -> None:
        offset = self._offsets.get(path, 0)
        with contextlib.suppress(OSError):
            if os.stat(path).st_size == offset:
                return
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offsets[path] = offset + len(whole)
            for line in whole.split(b"\n"):
                event = Event.from_line(line) if self._curves or not line.startswith(VALUE_PREFIX) else None
                if event is not None:
                    self._take(event, element)

    def _take(self, event: Event, element: str) -> None:
        if event.trial < 0:
            self.last[element] = event
            return
        self.trials.setdefault(event.trial, Trial()).take(event, element)
        if event.kind == "ended":
            self.ends.append(event)


def append(path: str, *events: Event) -> None:
    """Append to an element's file in one write, ending a truncated line first. Raises OSError."""
    data = b"".join(event.to_line() for event in events)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = b"\n" * cut + data
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
