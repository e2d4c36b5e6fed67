"""Source trees for the tests of snapshots: created, inspected, and unpacked as a job does."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.staging.workdir import prepare
from slurmtf.snapshot import Contents, Snapshot, SnapshotRef, SnapshotStore
from slurmtf.snapshot.entries import compute_stamp

Tree = dict[bytes, tuple[str, int, bytes]]
"""By name: what it is, its permissions, and its content or where it points."""


def fill(root: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or name, encoding="utf-8", errors="surrogateescape")


def tree_of(folder: Path) -> Tree:
    return {name: _facts(name, folder) for name in _names_below(os.fsencode(folder), b"")}


def _names_below(folder: bytes, prefix: bytes) -> list[bytes]:
    found = []
    for entry in os.scandir(folder):
        found.append(prefix + entry.name)
        if entry.is_dir(follow_symlinks=False):
            found += _names_below(entry.path, prefix + entry.name + b"/")
    return sorted(found)


def _facts(name: bytes, folder: Path) -> tuple[str, int, bytes]:
    path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118 - bytes
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return "link", 0, os.readlink(path)  # noqa: PTH115
    if stat.S_ISDIR(status.st_mode):
        return "folder", stat.S_IMODE(status.st_mode), b""
    return "file", stat.S_IMODE(status.st_mode), Path(os.fsdecode(path)).read_bytes()


def states(folder: Path) -> dict[Path, str]:
    """Return what would change if anything below a folder were written."""
    return {path: compute_stamp(path.lstat()) for path in folder.rglob("*")}


def settled(contents: Contents) -> Contents:
    """Return the contents as if the source had not changed for ten seconds before the walk."""
    return replace(contents, began=contents.began + 10 * 10**9)


def snapshot_of(contents: Contents, workspace: Path) -> Snapshot:
    return SnapshotStore(workspace).read(contents)


def reference(contents: Contents) -> SnapshotRef:
    """Return the reference of the current contents, read again."""
    return snapshot_of(contents, Path("/nonexistent")).ref


def keep(contents: Contents, workspace: Path) -> SnapshotRef:
    """Store the contents for a run, and return the run's reference."""
    folder = workspace / "exp" / f"run-{os.urandom(4).hex()}"
    folder.mkdir(parents=True)
    store = SnapshotStore(workspace)
    return store.take(store.read(contents), str(folder / "source.tar")).ref


def unpacked(contents: Contents, workspace: Path) -> Path:
    """Store the contents and return the working directory that a job would get."""
    layout = RunLayout(str(workspace / "exp" / f"run-{os.urandom(4).hex()}"))
    Path(layout.folder).mkdir(parents=True)
    store = SnapshotStore(workspace)
    taken = store.take(store.read(contents), layout.source)
    prepare(layout, taken.ref.id)
    return Path(layout.work)


def same(work: Path, root: Path) -> bool:
    """Return whether a job's working directory is the source with outputs and logs."""
    mine, theirs = tree_of(work), tree_of(root)
    extra = {name: mine.pop(name) for name in (b"outputs", b"logs")}
    assert extra == {name: ("link", 0, b"../" + name) for name in (b"outputs", b"logs")}
    private = {
        name: (kind, mode & 0o700 if kind == "file" else 0o700 * (kind == "folder"), data)
        for name, (kind, mode, data) in theirs.items()
    }
    assert mine == private
    return True
