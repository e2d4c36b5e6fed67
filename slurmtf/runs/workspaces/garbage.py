"""Find and remove, on request only, what nothing in a workspace needs.

Slurm is queried only about runs that may be the last to need a pack.
"""

from __future__ import annotations

import functools
import json
import operator
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmtf.environments.packing import find_outdated
from slurmtf.environments.store import EnvironmentStore, get_workspace_store
from slurmtf.errors import WorkspaceError
from slurmtf.files import compute_age
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.status import read_states
from slurmtf.runs.workspaces.workspace import list_run_folders, list_workspaces
from slurmtf.snapshot import SnapshotStore
from slurmtf.submit.folder import STAGING
from slurmtf.submit.submission import find_abandoned, find_removals, find_stale_partials
from slurmtf.trusted import locate_own_folder

YOUNG_S = 3600
"""Age in seconds below which a snapshot is kept. It need not exceed the time of a submission: one that finds its snapshot
removed writes it again, and a run has its own link or copy. It serves users who are about to submit the same source again."""


@dataclass(frozen=True)
class Garbage:
    """A file or folder that nothing needs. If several folders share a file, ``bytes`` is this one's share."""

    kind: str
    path: Path
    bytes: int


def _find_unneeded_snapshots(workspace: Path) -> Iterator[Path]:
    """Yield snapshots that no run has. Link counts are no evidence: if links are impossible, runs have copies."""
    old = [path for path in sorted(SnapshotStore(workspace).list_stored()) if compute_age(path) >= YOUNG_S]
    needed = _find_needed_snapshots(workspace) if old else frozenset()
    yield from (path for path in old if path.stem not in needed)


def _find_orphaned_indexes(workspace: Path) -> Iterator[Path]:
    """Yield the indexes of sources that are gone. If a source is only invisible at present, it will be read again."""
    found = sorted(SnapshotStore(workspace).list_indexes(), key=lambda index: index.path)
    yield from (index.path for index in found if index.source is None or not index.source.is_dir())


def _find_abandoned_environments(workspace: Path) -> Iterator[Path]:
    """Yield the remains of killed builds. Complete environments are for 'slurmtf env remove'."""
    yield from get_workspace_store(workspace).find_leftovers()


def _find_unneeded_downloads(workspace: Path) -> Iterator[Path]:
    """Yield downloaded packages that nothing needs, except recent ones, which may be for a job about to be submitted."""
    yield from (path for path in get_workspace_store(workspace).find_needless_downloads() if compute_age(path) >= YOUNG_S)


def _find_workspace_packs(workspace: Path) -> Iterator[Path]:
    yield from find_unneeded_packs(get_workspace_store(workspace), [workspace, *list_workspaces()])


def find_unneeded_packs(store: EnvironmentStore, workspaces: list[Path]) -> list[Path]:
    """Return the packs of environments that are gone, or that have a newer pack, unless an unfinished run needs them."""
    found = find_outdated(store)
    needed = _find_needed_packs({*map(str, found)}, list(dict.fromkeys(workspaces))) if found else set()
    return [path for path in found if str(path) not in needed]


def _find_needed_packs(packs: set[str], workspaces: list[Path]) -> set[str | None]:
    """Return the packs that unfinished runs need. Runs being submitted are read first, because they become runs meanwhile."""
    staged = {_read_from_plan(plan, "job", "stage", "pack") for workspace in workspaces for plan in _find_staged(workspace)}
    named = {folder: _read_from_plan(_get_plan_path(folder), "job", "stage", "pack") for folder in list_run_folders(workspaces)}
    asking = [folder for folder, pack in named.items() if pack in packs]
    going_on = [folder for folder, state in zip(asking, read_states(asking), strict=True) if not state.status.final]
    return staged | {named[folder] for folder in going_on}


def _find_abandoned_models(workspace: Path) -> Iterator[Path]:
    """Yield the remains of killed registrations of models; a version appears only when it is complete."""
    yield from (path for path in locate_own_folder(workspace, "models").glob("*/.staging-*") if compute_age(path) >= YOUNG_S)


COLLECTORS: dict[str, Callable[[Path], Iterator[Path]]] = {
    "removed run": find_removals,
    "unfinished submission": find_abandoned,
    "partial file": find_stale_partials,
    "snapshot": _find_unneeded_snapshots,
    "index": _find_orphaned_indexes,
    "unfinished environment": _find_abandoned_environments,
    "fetched packages": _find_unneeded_downloads,
    "pack": _find_workspace_packs,
    "unfinished model": _find_abandoned_models,
}
"""Each kind of garbage, and the function that yields its unneeded paths in a workspace."""


def find_garbage(workspace: Path) -> list[Garbage]:
    """Return what nothing needs in our own folder of a workspace. Raises WorkspaceError if that can't be determined."""
    own = locate_own_folder(workspace)
    try:
        found = [(kind, path) for kind, collector in COLLECTORS.items() for path in collector(workspace)]
        return [Garbage(kind, path, _compute_size(path)) for kind, path in found if _is_inside(own, path)]
    except OSError as err:
        where, remedy = str(err.filename or workspace), "nothing was removed"
        raise WorkspaceError(Finding("unreadable", where, f"can't be read: {err.strerror or err}", remedy)) from None


def _is_inside(own: Path, path: Path) -> bool:
    """Return whether a path is in our folder, and no link on the way leads out of it."""
    above = [folder for folder in path.parents if folder.is_relative_to(own)]
    return own in above and not any(folder.is_symlink() for folder in above)


def discard(found: Garbage) -> str | None:
    """Remove it, and return why that failed; None if it is gone, even if something else removed it."""
    try:
        if found.path.is_dir() and not found.path.is_symlink():
            shutil.rmtree(found.path)
        else:
            found.path.unlink()
    except FileNotFoundError:
        return None
    except OSError as err:
        return f"{err.filename or found.path} can't be removed: {err.strerror or err}"
    return None


def _find_needed_snapshots(workspace: Path) -> frozenset[str]:
    """Return the ids of the snapshots of all runs, including those being submitted."""
    plans = map(_get_plan_path, list_run_folders([workspace]))
    return frozenset(
        filter(None, (_read_from_plan(plan, "provenance", "snapshot", "id") for plan in [*plans, *_find_staged(workspace)]))
    )


def _get_plan_path(folder: Path) -> Path:
    return Path(RunLayout(str(folder)).plan)


def _find_staged(workspace: Path) -> Iterator[Path]:
    """Yield the plans of runs that are being submitted."""
    yield from locate_own_folder(workspace, STAGING).glob("*/plan.json")


def _read_from_plan(plan: Path, *keys: str) -> str | None:
    """Return a value in a plan, for example its snapshot; None if the plan is gone. Raises WorkspaceError if it has none."""
    try:
        return str(functools.reduce(operator.getitem, keys, json.loads(plan.read_bytes())))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        remedy = "nothing was removed: remove this run's folder, or repair its plan"
        raise WorkspaceError(Finding("bad-record", str(plan), f"does not say which {keys[-2]} the run needs", remedy)) from None


def _compute_size(path: Path) -> int:
    """Return the size of a file or folder in bytes; for a file with several links, one link's share."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(map(_compute_size, path.iterdir()))
        return path.lstat().st_size // path.lstat().st_nlink
    except FileNotFoundError:
        return 0
