"""What git says of a source, and what it would say: asked and computed without writing anything into the repository."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurmtf.snapshot.entries import Entry
from slurmtf.snapshot.reading import Blob

FOLDER = b"40000"
TIMEOUT_S = 10


@contextlib.contextmanager
def asking_git(folder: Path) -> Iterator[Callable[[], dict[str, Any] | None]]:
    """Ask git for commit, branch and whether there are uncommitted changes; it works while the source is read.

    What is yielded waits for the answer: None outside of a git work tree.
    """
    # without the options, git-status(1) writes the index, and starts what the repository names as its monitor (git-config(1))
    quiet = ["--no-optional-locks", "-c", "core.fsmonitor=false"]
    command = ["git", *quiet, "-C", str(folder), "status", "--porcelain=v2", "--branch"]
    try:
        process = subprocess.Popen(
            [*command, "--untracked-files=normal"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        yield lambda: None
        return
    with process:
        try:
            yield lambda: _told(process)
        finally:
            process.kill()


def _told(git: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    try:
        said = git.communicate(timeout=TIMEOUT_S)[0]
    except subprocess.TimeoutExpired:
        return None
    if git.returncode != 0:
        return None
    lines = said.decode("utf-8", "surrogateescape").splitlines()
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    dirty = any(not line.startswith("#") for line in lines)
    return {"commit": heads.get("branch.oid"), "branch": heads.get("branch.head"), "dirty": dirty}


def tree_id(entries: Sequence[Entry], blobs: Mapping[str, Blob]) -> str:
    """Return the id of the tree that ``git add`` of all entries and ``git write-tree`` would write (SHA-1, no filters).

    git knows no empty folders.
    """
    folders: dict[str, list[tuple[bytes, bytes]]] = {"": []}
    for entry in entries:
        if entry.kind == "folder":
            folders[entry.name] = []
    for entry in entries:
        if entry.kind != "folder":
            _add(folders, entry.name, *_leaf(entry, blobs))
    for name in sorted(filter(None, folders), key=lambda name: -name.count("/")):
        if folders[name]:
            _add(folders, name, FOLDER, _tree(folders[name]))
    return _tree(folders[""]).hex()


def _leaf(entry: Entry, blobs: Mapping[str, Blob]) -> tuple[bytes, bytes]:
    """Return mode and id of a file or a link."""
    if entry.kind == "link":
        return b"120000", _object(b"blob", entry.target.encode("utf-8", "surrogateescape"))
    return b"100755" if entry.mode & 0o100 else b"100644", bytes.fromhex(blobs[entry.name].sha1)


def _add(folders: dict[str, list[tuple[bytes, bytes]]], name: str, mode: bytes, identity: bytes) -> None:
    """Put an entry into its folder, under what git sorts it by: a folder's name as if it ended with '/'."""
    folder, _, base = name.rpartition("/")
    raw = base.encode("utf-8", "surrogateescape")
    folders[folder].append((raw + b"/" * (mode == FOLDER), b"%s %s\0%s" % (mode, raw, identity)))


def _tree(entries: list[tuple[bytes, bytes]]) -> bytes:
    return _object(b"tree", b"".join(line for _, line in sorted(entries)))


def _object(kind: bytes, data: bytes) -> bytes:
    return hashlib.sha1(b"%s %d\0%s" % (kind, len(data), data), usedforsecurity=False).digest()
