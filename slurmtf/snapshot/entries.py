"""The content of a snapshot: its entries, and what was left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from slurmtf.errors import SnapshotError
from slurmtf.findings import Finding
from slurmtf.snapshot.ignore import IGNORE_FILES

WITHHELD = "may hold a secret"
MOST_NAMED = 10


class Entry(NamedTuple):
    """A file, a link or a folder of the source. ``link`` is where a link points in the snapshot. ``stamp`` distinguishes two
    states of a file without reading it."""

    name: str
    path: str
    kind: str
    mode: int
    size: int = 0
    link: str = ""
    stamp: str = ""


def compute_stamp(status: os.stat_result) -> str:
    """Return a text that changes whenever a file's content does: size, times, inode and mode. ctime can't be set back."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} {status.st_mode}"


@dataclass(frozen=True)
class Contents:
    """The entries of a snapshot, sorted by name, and what was left out and why. ``began`` is when the walk began.

    ``secrets`` were left out because they may hold secrets, ``results`` are the source's own ``outputs`` and ``logs``,
    ``unreadable`` are the paths that could not be read, each with the reason.
    """

    root: Path
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()
    began: int = 0
    secrets: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def files(self) -> int:
        return sum(entry.kind != "folder" for entry in self.entries)

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries)

    def check_holds(self, script: str) -> None:
        """Raise SnapshotError unless the entry script belongs to the snapshot, directly or behind a link."""
        kinds = {entry.name: entry.kind for entry in self.entries}
        behind_link = any(kinds.get(str(folder)) == "link" for folder in Path(script).parents)
        if script not in kinds and not behind_link:
            remedy = f"take the pattern that matches it out of {' or '.join(IGNORE_FILES)}, or move it out of outputs and logs"
            raise SnapshotError(Finding("script-left-out", "entry_script", f"{script} is left out of the snapshot", remedy))


def describe_unreadable(found: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Report paths that can't be read, each with its reason: one finding per reason, naming the first paths."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in sorted(found):
        by_reason.setdefault(reason, []).append(path)
    for reason, (first, *others) in by_reason.items():
        named = ", ".join(others[:MOST_NAMED]) + (f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else "")
        what, them = f"can't be read: {reason}", "it" if not others else "them"
        yield Finding("unreadable", first, f"{what}; nor can {named}" if others else what, f"name {them} in {IGNORE_FILES[0]}")
