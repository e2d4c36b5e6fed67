"""Read the files of a run's metrics as they grow, each time from the end of the last read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from slurmtf.job.contract.metrics import entries
from slurmtf.job.contract.metrics.entries import Entry, Point

LONGEST_LINE = 1 << 24
"""The most bytes in a line that slurmtf writes."""


@dataclass(frozen=True)
class Other:
    """A logged value that is not a number.

    ``kind`` is "text", "image", or a document's kind such as "confusion_matrix". ``value`` is the text, or the image's path
    relative to the run folder; empty for a document.
    """

    name: str
    kind: str
    value: str = ""


class Source(Protocol):
    """A growing file of numbers."""

    offset: int

    @property
    def path(self) -> str | Path:
        """The file's path."""

    def read_new_points(self) -> Iterator[tuple[str, Point]]:
        """Yield the new numbers, with the names of their metrics."""


class LoggedFile:
    """The file of one task in metrics/."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.others: dict[str, Other] = {}
        """The last logged value of each name that is not a number."""

    def read_new_points(self) -> Iterator[tuple[str, Point]]:
        for entry in self.read_new_entries():
            other = to_other(entry)
            if other is not None:
                self.others[entry.name] = other
            yield from iterate_points(entry)

    def read_new_entries(self) -> Iterator[Entry]:
        """Yield the entries logged since the last call, without an incomplete last line."""
        for line in self._read_new_lines():
            entry = entries.from_line(line)
            if entry is not None:
                yield entry

    def _read_new_lines(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                while (line := file.readline(LONGEST_LINE)).endswith(b"\n") or len(line) == LONGEST_LINE:
                    self.offset += len(line)
                    yield line
        except OSError:
            return


def to_other(entry: Entry) -> Other | None:
    """Return an entry's value if no plot can show it; None for numbers, lists, rows, tables and tags."""
    if entry.kind == entries.VALUE:
        return Other(entry.name, "text", entry.value) if isinstance(entry.value, str) else None
    if entry.kind in (entries.LIST, entries.ROW, entries.TABLE, entries.TAG):
        return None
    return Other(entry.name, entry.kind, entry.value if isinstance(entry.value, str) else "")


def iterate_points(entry: Entry) -> Iterator[tuple[str, Point]]:
    """Yield the numbers of an entry: a list's one by one, those of a row or table by column, as ``name/column``."""
    if entry.kind == entries.VALUE:
        yield from _iterate_numbers(entry.name, [entry.value], entry)
    elif entry.kind == entries.LIST and isinstance(entry.value, list):
        yield from _iterate_numbers(entry.name, entry.value, entry)
    elif entry.kind in (entries.ROW, entries.TABLE) and isinstance(entry.value, dict):
        for column, cells in entry.value.items():
            yield from _iterate_numbers(f"{entry.name}/{column}", cells if isinstance(cells, list) else [cells], entry)


def _iterate_numbers(name: str, values: list[object], entry: Entry) -> Iterator[tuple[str, Point]]:
    for value in values:
        if isinstance(value, int | float):
            yield name, Point(entry.step, float(value), entry.time)
