"""An index of the runs that have ended: an SQLite file in the user's cache, on this machine's own disk.

The run folders remain authoritative. A row is valid only while every file that it was read from is unchanged, by inode, size
and time; files that have just changed make no row, because they may change again within one tick of the clock. A damaged row is
ignored; a damaged or locked index is ignored and rebuilt. Each version of slurmtf has its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from slurmtf._version import __version__
from slurmtf.caches import find_local_cache
from slurmtf.job.contract.layout import JOBS, JOURNALS, TAGS, RunLayout
from slurmtf.job.contract.system import trust
from slurmtf.runs.states.state import Brief, RunState
from slurmtf.runs.workspaces.tags import read_tags

if TYPE_CHECKING:
    from slurmtf.runs.status import SeenRun

NAMES = "runs*.sqlite"
MOST_INDEXES = 4
"""How many indexes of different versions are kept: those written last."""
SCHEMA = 4
SETTLED_S = 2.0
"""Seconds after which a file's modification time reflects all changes."""
BUSY_S = 0.2
TABLE = """CREATE TABLE IF NOT EXISTS runs
 (folder TEXT PRIMARY KEY, files TEXT, status TEXT, job TEXT, submitted REAL, started REAL, ended REAL, why TEXT,
    state TEXT, tags TEXT, jobs TEXT, digest INTEGER) WITHOUT ROWID"""
COLUMNS = "folder, files, status, job, submitted, started, ended, why, state, tags, jobs, digest"
MARKS = ", ".join("?" * len(COLUMNS.split()))


class Row(NamedTuple):
    """A run that has ended, as stored in the index.

    ``files`` are those that it was read from, each name followed by its stamp. ``brief`` is what a list shows: with thousands
    of runs, nothing else is parsed.
    """

    folder: str
    files: str
    brief: Brief
    state_text: str
    tags_text: str
    jobs: str

    @classmethod
    def from_columns(cls, cells: Sequence[object]) -> Row | None:
        """Return the row with these :attr:`columns`; None if they are damaged."""
        *facts, digest = cells
        return cls._make((*facts[:2], Brief._make(facts[2:8]), *facts[8:])) if digest == _compute_digest(facts) else None

    @property
    def columns(self) -> tuple[object, ...]:
        """Its cells, in the order of COLUMNS."""
        facts = (self.folder, self.files, *self.brief, self.state_text, self.tags_text, self.jobs)
        return (*facts, _compute_digest(facts))

    @property
    def status(self) -> str:
        return self.brief.status

    @property
    def data(self) -> dict[str, object]:
        """The data of its state: see :attr:`RunState.data`."""
        found: dict[str, object] = json.loads(self.state_text)
        return found

    @property
    def state(self) -> RunState:
        return RunState.from_dict(self.data)

    @property
    def tags(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.tags_text)
        return found

    @property
    def holds(self) -> bool:
        """Whether the files are unchanged."""
        parts = self.files.split(BETWEEN)
        return all(_stamp(f"{self.folder}/{name}") == stamp for name, stamp in zip(parts[::2], parts[1::2], strict=True))

    @property
    def names_its_jobs(self) -> bool:
        """Whether the run has had no new job since."""
        stamps = self.files.split(BETWEEN)
        return all(_stamp(f"{self.folder}/{name}") == stamps[stamps.index(name) + 1] for name in JOBS_IN)


JOBS_IN = (JOBS, JOURNALS)
"""Files and folders that name the jobs of a run: a folder's own time changes with each new file in it."""
Files = list[tuple[str, str]]
BETWEEN = "\0"
"""A character that no file name contains."""


def stamp_files(layout: RunLayout) -> Files | None:
    """Return the files that a run's row depends on; None if they can't be listed. Call this before they are read.

    A file that is written by renaming changes the folder's own time.
    """
    try:
        names = ["", *JOBS_IN, *(f"{sub}/{name}" for sub in (JOURNALS, TAGS) for name in _list_names(layout, sub))]
    except OSError:
        return None
    return [(name, _stamp(f"{layout.folder}/{name}")) for name in names]


def build_row(seen: SeenRun, files: Files | None, began: float) -> Row | None:
    """Return the row of a run; None if it has not ended, or may still change. ``files`` are from before the reading that
    ``began`` at that time."""
    if not seen.settled or files is None or any(_parse_change_time(stamp) > began - SETTLED_S for _, stamp in files):
        return None
    layout = seen.layout
    texts = json.dumps(seen.state.data), json.dumps(read_tags(layout.folder)), " ".join(sorted(_list_job_names(layout)))
    names = BETWEEN.join(part for file in files for part in file)
    return Row(layout.folder, names, seen.state.brief, *texts) if stamp_files(layout) == files else None


def _list_job_names(layout: RunLayout) -> set[str]:
    from slurmtf.runs.status import list_job_names  # noqa: PLC0415 - not needed for runs in the index

    return list_job_names(layout)


def _list_names(layout: RunLayout, sub: str) -> list[str]:
    try:
        return sorted(os.listdir(f"{layout.folder}/{sub}"))  # noqa: PTH208 - of thousands of runs
    except FileNotFoundError:
        return []


def _compute_digest(cells: Iterable[object]) -> int:
    """Return a digest to detect cells that were damaged on the disk: SQLite itself does not check."""
    return zlib.crc32(BETWEEN.join(map(str, cells)).encode("utf-8", "surrogateescape"))


def _stamp(path: str) -> str:
    """Return a stamp that changes with a file (inode, size, time); empty if there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of thousands of runs
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _parse_change_time(stamp: str) -> float:
    """Return when a file changed, in seconds since 1970; 0 if there is no file."""
    return int(stamp.rpartition(" ")[2]) / 1e9 if stamp else 0.0


class Index:
    """The open index. None of its methods raises; if there is no index, it is empty."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._path: Path | None = None

    def __enter__(self) -> Index:
        folder = find_local_cache()
        with self._suppress_errors():
            self._path = folder / f"runs-{_compute_version():08x}.sqlite" if folder else None
            self._connection = self._connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def find_rows(self, folders: Iterable[str]) -> dict[str, Row]:
        """Return the valid rows of these folders, by folder."""
        return {row.folder: row for row in self._read_rows(set(folders)) if row.holds}

    def jobs(self, folders: Iterable[str]) -> dict[str, list[str]]:
        """Return the names of the jobs of known runs."""
        return {row.folder: row.jobs.split() for row in self._read_rows(set(folders)) if row.names_its_jobs}

    def keep(self, rows: Iterable[Row]) -> None:
        """Store rows."""
        with self._suppress_errors():
            if self._connection:
                cells = [row.columns for row in rows]
                self._connection.executemany(f"INSERT OR REPLACE INTO runs ({COLUMNS}) VALUES ({MARKS})", cells)  # noqa: S608
                self._connection.commit()

    def _read_rows(self, wanted: set[str]) -> list[Row]:
        with self._suppress_errors():
            if self._connection and len(wanted) <= FEW:
                marks = ", ".join("?" * len(wanted))
                query = f"SELECT {COLUMNS} FROM runs WHERE folder IN ({marks})"  # noqa: S608
                return list(filter(None, map(Row.from_columns, self._connection.execute(query, list(wanted)))))
            if self._connection:
                rows = self._connection.execute(f"SELECT {COLUMNS} FROM runs")  # noqa: S608
                return list(filter(None, (Row.from_columns(row) for row in rows if row[0] in wanted)))
        return []

    def _connect(self) -> sqlite3.Connection | None:
        if self._path is None or (self._path.exists() and trust.find_fault(str(self._path))):
            return None
        if not self._path.exists():
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            _remove_old(self._path.parent)
        connection = sqlite3.connect(self._path, timeout=BUSY_S)
        if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            connection.executescript(f"DROP TABLE IF EXISTS runs; {TABLE}; PRAGMA user_version = {SCHEMA}")
        return connection

    def _suppress_errors(self) -> contextlib.AbstractContextManager[None]:
        return _Forgiving(self)

    def _close(self) -> None:
        if self._connection:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def _remove_old(folder: Path) -> None:
    for old in sorted(folder.glob(NAMES), key=lambda path: path.stat().st_mtime)[:-MOST_INDEXES]:
        old.unlink(missing_ok=True)


FEW = 100
"""The most runs that are selected by name; for more, all rows are read."""


def find_by_job(name: str, folders: Sequence[Path]) -> set[Path]:
    """Return the runs that have or had a job of this name."""
    paths = list(map(str, folders))
    with Index() as index:
        known = index.jobs(paths)
    unknown = {path: _list_job_names(RunLayout(path)) for path in paths if path not in known}
    jobs: dict[str, Collection[str]] = {**known, **unknown}
    return {folder for folder, path in zip(folders, paths, strict=True) if name in jobs[path]}


class _Forgiving(contextlib.AbstractContextManager[None]):
    """Continues without the index if something is wrong with it. A file that is not a database is removed."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, (sqlite3.Error, OSError, TypeError, ValueError)):
            return False
        self._index._close()
        broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if broken and self._index._path:
            with contextlib.suppress(OSError):
                self._index._path.unlink()
        return True


STATES = Path(__file__).parents[1] / "states"


def _compute_version() -> int:
    """Return a number that changes with slurmtf's version and with the code that determines states."""
    changed = [rule.stat().st_mtime_ns for rule in sorted(STATES.glob("*.py"))]
    return zlib.crc32(json.dumps([SCHEMA, __version__, changed]).encode())
