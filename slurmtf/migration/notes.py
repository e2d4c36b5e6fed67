"""The report: what became of each line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What became of a part of the file."""

    MAPPED = "mapped"
    DROPPED = "dropped"
    """It has no counterpart, and the training does not need it."""
    DECIDE = "decide"
    """The user has to decide: the file alone does not say enough."""


@dataclass(frozen=True)
class Note:
    """One line of the report. ``line`` counts from 1 in the text that was read."""

    line: int
    kind: Kind
    what: str


class Notes:
    """A report under construction."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def add_mapped(self, line: int, what: str) -> None:
        self._notes[Note(line, Kind.MAPPED, what)] = None

    def add_dropped(self, line: int, what: str) -> None:
        self._notes[Note(line, Kind.DROPPED, what)] = None

    def add_undecided(self, line: int, what: str) -> None:
        self._notes[Note(line, Kind.DECIDE, what)] = None

    @property
    def sorted(self) -> tuple[Note, ...]:
        """All of them, by line."""
        return tuple(sorted(self._notes, key=lambda note: note.line))
