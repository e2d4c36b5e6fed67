"""Check where the data of a run is, before it is submitted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from slurmtf.errors import SpecError
from slurmtf.estimator import Input
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract.system import mounts
from slurmtf.job.contract.system.mounts import Mount
from slurmtf.paths import is_folder, is_there
from slurmtf.sites import Site

NODE_LOCAL_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 - every machine has its own


def check_inputs(
    inputs: Sequence[Input], site: Site | None, workspace: Path, known: Sequence[Mount] | None = None
) -> list[Finding]:
    """Return warnings about where inputs are. ``known`` are this machine's mounts. Without a site, data need only exist.

    Raises SpecError for data that does not exist, or that compute nodes can't see.
    """
    listed = list(mounts.read_mounts() if known is None else known)
    is_shared = site is not None and not site.can.one_machine
    unseen = [list(_check_visible(str(item.path), workspace, listed)) if is_shared else [] for item in inputs]
    findings = [
        finding for item, others in zip(inputs, unseen, strict=True) for finding in [*_check_accessible(item)] or others
    ]
    if findings:
        raise SpecError(*findings)
    return [warning for item in inputs for warning in _check_shared(item, workspace, listed)] if is_shared else []


def _check_accessible(item: Input) -> Iterable[Finding]:
    path = Path(item.path)
    if item.mode != "upload":
        if not is_there(path):
            yield Finding(
                "missing-input",
                "inputs",
                f"{path} does not exist",
                "correct the path, or use mode 'upload' for what the script writes",
            )
        elif not os.access(path, os.R_OK):
            yield Finding("input-unreadable", "inputs", f"{path} can't be read", "ask its owner for permission to")
        return
    parent = next(folder for folder in (path, *path.parents) if is_there(folder))
    if not is_folder(parent):
        yield Finding("input-not-folder", "inputs", f"{parent} is not a folder", "name a folder to which results are copied")
    elif not os.access(parent, os.W_OK):
        yield Finding(
            "input-unwritable", "inputs", f"{path} can't be written: {parent} is not yours to write to", "use another folder"
        )


def _check_visible(path: str, workspace: Path, known: list[Mount]) -> Iterable[Finding]:
    """Check that a path is not on a disk of this machine alone. Nodes see everything on the workspace's file system."""
    mount = mounts.find_mount(path, known)
    if _is_beside_workspace(path, workspace, known) or (mount is not None and mount.shared):
        return
    top = _find_local_folder(path)
    if top or (mount is not None and mount.in_memory):
        place = top or (mount.point if mount else "")
        what = f"{path} lies in {place}, which is local to each machine: compute nodes don't see it"
        yield Finding("input-unseen", "inputs", what, "use a place on a shared file system")


def _check_shared(item: Input, workspace: Path, known: list[Mount]) -> Iterable[Finding]:
    mount = mounts.find_mount(str(item.path), known)
    if mount is not None and not mount.shared and not _is_beside_workspace(str(item.path), workspace, known):
        text = f"{item.path} lies on {mount.point} ({mount.kind}), a disk of this machine: do the compute nodes see it?"
        yield build_warning("local-path", text)


def _is_beside_workspace(path: str, workspace: Path, known: list[Mount]) -> bool:
    """Return whether a path is on the workspace's file system, and not in a machine's own place unless the workspace is there
    too."""
    mount, of_workspace = mounts.find_mount(path, known), mounts.find_mount(str(workspace), known)
    if mount is None or of_workspace is None or mount.device != of_workspace.device:
        return False
    return _find_local_folder(path) in (None, _find_local_folder(str(workspace)))


def _find_local_folder(path: str) -> str | None:
    """Return the machine's own place that contains a path; None if none does."""
    return next((top for top in NODE_LOCAL_FOLDERS if (os.path.realpath(path) + "/").startswith(top + "/")), None)
