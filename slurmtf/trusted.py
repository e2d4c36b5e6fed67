"""Decide which files are trusted without being named: those of the user and of root that others can't change.

A path that the user gave, on the command line or in a variable, is used without this check.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from slurmtf.errors import InputError, WorkspaceError
from slurmtf.findings import Finding
from slurmtf.job.contract.system.trust import find_fault, find_local_fault, find_own_fault

OWN = ".slurmtf"
"""Our folder in a workspace, and a project's folder in the working directory."""


def check_unnamed(path: Path, error: type[InputError], name_it: str) -> Path:
    """Return a file that was found without being named. ``name_it`` says how to name it.

    Raises ``error`` if somebody else could have written it.
    """
    try:
        reason = find_fault(str(path))
    except OSError as err:
        reason = f"{err.filename or path}: {err.strerror or err}"
    if reason:
        remedy = f"remove it, work in another folder, or name it: {name_it}"
        raise error(Finding("foreign-file", str(path), f"is not read: {reason}", remedy))
    return path


def locate_own_folder(workspace: str | Path, *below: str) -> Path:
    """Return our folder in a workspace, or one ``below`` it, whether it exists or not. Raises WorkspaceError if it is not ours
    alone, because files in it are run and removed."""
    folder = Path(workspace, OWN)
    for part in ("", *below):
        folder = folder / part
        check_own(folder, "name a workspace of your own (--workspace, $SLURMTF_WORKSPACE)")
    return folder


def check_own(folder: Path, remedy: str) -> None:
    """Raise WorkspaceError if a folder exists but does not belong to us alone."""
    try:
        reason = find_own_fault(str(folder))
    except NotADirectoryError as err:
        reason = f"{err.filename}: {err.strerror}"
    except PermissionError:
        reason = f"{folder.parent} can't be entered"
    if reason:
        raise WorkspaceError(Finding("foreign-folder", str(folder), f"is not used: {reason}", remedy))


def check_shared(folder: Path, remedy: str) -> None:
    """Raise WorkspaceError if a folder that a setting names exists and anybody but its user or root can write to it."""
    with contextlib.suppress(FileNotFoundError):
        reason = find_local_fault(os.path.realpath(folder))
        if reason:
            raise WorkspaceError(Finding("foreign-folder", str(folder), f"is not used: {reason}", remedy))


def select_project_files(paths: Iterable[str | Path]) -> list[str]:
    """Return those of these files that are in ``.slurmtf`` of the working directory, by their paths relative to that."""
    folder = os.path.realpath(OWN)
    return [f"{OWN}/{os.path.relpath(path, folder)}" for path in map(os.path.realpath, paths) if path.startswith(folder + "/")]
