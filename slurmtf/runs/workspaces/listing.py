"""List runs: those that have ended from the index, the others with their current state."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from slurmtf.errors import InputError
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.loading import pause_collection
from slurmtf.runs.states.state import Brief, RunState, RunStatus
from slurmtf.runs.workspaces.index import Index, Row, build_row, stamp_files
from slurmtf.runs.workspaces.tags import has_wanted_tags, read_tags
from slurmtf.runs.workspaces.workspace import is_run, list_runs

AGE_S = 5.0
"""How old an answer from Slurm may be in a list, in seconds."""
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
AGO = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([mhdw])")


@dataclass(frozen=True)
class RunFilter:
    """A filter: runs in one of ``statuses`` (any if empty), submitted since ``since`` (seconds since 1970), with ``tags``."""

    statuses: frozenset[RunStatus] = frozenset()
    since: float = 0.0
    tags: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def all(self) -> bool:
        """Whether every run is wanted."""
        return not (self.statuses or self.since or self.tags)

    def accepts(self, run: ListedRun) -> bool:
        if self.statuses and run.status not in self.statuses:
            return False
        if self.since and (run.brief.submitted or run.brief.started or 0.0) < self.since:
            return False
        return not self.tags or has_wanted_tags(run.tags, self.tags)


class ListedRun:
    """One run of a list: its folder, and its state."""

    def __init__(self, path: str, found: Row | RunState) -> None:
        self.path = path
        self._found = found
        self._state = found if isinstance(found, RunState) else None

    @property
    def folder(self) -> Path:
        return Path(self.path)

    @property
    def is_settled(self) -> bool:
        """Whether it is known to have ended, and to exist."""
        return isinstance(self._found, Row)

    @property
    def name(self) -> str:
        return os.path.basename(self.path)  # noqa: PTH119 - of thousands of runs

    @property
    def brief(self) -> Brief:
        return self._found.brief

    @property
    def status(self) -> RunStatus:
        return RunStatus(self._found.status)

    @property
    def state(self) -> RunState:
        if self._state is None:
            self._state = self._found if isinstance(self._found, RunState) else self._found.state
        return self._state

    @property
    def data(self) -> dict[str, object]:
        """Its state as shown to programs."""
        return self._found.data

    @property
    def tags(self) -> dict[str, str]:
        return self._found.tags if isinstance(self._found, Row) else read_tags(self.path)


def list_states(folders: Sequence[Path | str], wanted: RunFilter = RunFilter(), max_age_s: float = AGE_S) -> list[ListedRun]:
    """Return the wanted runs among these folders, in their order, without runs removed meanwhile.

    Each scheduler is queried once about all runs that have not ended.
    """
    paths = list(map(str, folders))
    with Index() as index:
        return _list_wanted(paths, index, index.find_rows(paths), wanted, max_age_s)


def list_all(
    workspaces: list[Path], experiment: str | None, wanted: RunFilter, max_age_s: float = AGE_S
) -> tuple[list[ListedRun], list[Path]]:
    """Return the wanted runs of workspaces, newest first, and the folders that could not be read.

    The files of a run in the index are not examined twice.
    """
    known: dict[str, Row] = {}

    def take(paths: Sequence[str]) -> Mapping[str, Row]:
        found = index.find_rows(paths)
        known.update(found)
        return found

    with pause_collection(), Index() as index:
        listing = list_runs(workspaces, experiment, take)
        return _list_wanted(listing.paths, index, known, wanted, max_age_s), listing.unreadable


def _list_wanted(
    paths: Sequence[str], index: Index, known: Mapping[str, Row], wanted: RunFilter, max_age_s: float
) -> list[ListedRun]:
    unknown = [path for path in paths if path not in known]
    seen = _look_at(unknown, index, max_age_s) if unknown else {}
    found = (ListedRun(path, known.get(path) or seen[path]) for path in paths)
    return [one for one in found if (one.is_settled or is_run(one.folder)) and wanted.accepts(one)]


def _look_at(paths: Sequence[str], index: Index, max_age_s: float) -> dict[str, RunState]:
    """Return the current states of runs that are not in the index, and add those that have ended to it."""
    from slurmtf.runs import status  # noqa: PLC0415 - runs that have ended are listed without importing schedulers

    layouts = list(map(RunLayout, paths))
    began, files = time.time(), list(map(stamp_files, layouts))
    seen = status.look(layouts, max_age_s=max_age_s)
    index.keep(filter(None, (build_row(one, before, began) for one, before in zip(seen, files, strict=True))))
    return {path: one.state for path, one in zip(paths, seen, strict=True)}


def parse_since(text: str, now: float) -> float:
    """Parse ``7d``, ``12h``, ``30m``, ``2w`` or a date (``2026-11-20``) into seconds since 1970.

    Raises InputError for anything else.
    """
    ago = AGO.fullmatch(text.strip())
    if ago:
        return now - float(ago[1]) * UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        remedy = "use 30m, 12h, 7d, 2w, or a date: 2026-11-20"
        raise InputError(Finding("bad-since", "since", f"{text!r} is not a time", remedy)) from None
