"""The content-addressed store: each content once, as one tar file, shared by all runs that have it."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import uuid
from pathlib import Path

from slurmtf.errors import Problem, SnapshotError
from slurmtf.files import PRIVATE_FILE, make_private
from slurmtf.snapshot.contents import Contents, Entry, SnapshotRef

FOLDER = ".slurmtf/snapshots"
NAME_DIGITS = 32


class SnapshotStore:
    """The snapshots of a workspace.

    One file for each content keeps the number of files on a shared file system small. Runs hold it by hard links: a run
    keeps its source whatever happens to the store.
    """

    def __init__(self, workspace: Path) -> None:
        self._folder = workspace / FOLDER

    def path(self, snapshot: SnapshotRef) -> Path:
        return self._folder / f"{snapshot.id}.tar"

    def keep(self, contents: Contents) -> SnapshotRef:
        """Store the contents, unless the store has them already.

        The id is that of what was written: a file that changes meanwhile is stored as it was read.
        Raises SnapshotError when a file can't be read, OSError when the store can't be written.
        """
        known = reference(contents)
        if self.path(known).exists():
            return known
        make_private(self._folder)
        partial = self._folder / f".partial-{uuid.uuid4().hex}"
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
                written = _write(contents, file)
            partial.rename(self.path(written))
        finally:
            partial.unlink(missing_ok=True)
        return written

    def partials(self) -> list[Path]:
        """Return the files that are being written, or were when their writer was killed."""
        return list(self._folder.glob(".partial-*"))

    def link(self, snapshot: SnapshotRef, path: str) -> None:
        """Put the snapshot at ``path``: by hard link, or by copy where the file system has none."""
        try:
            os.link(self.path(snapshot), path)
        except OSError:
            shutil.copyfile(self.path(snapshot), path)
            Path(path).chmod(PRIVATE_FILE)


def reference(contents: Contents) -> SnapshotRef:
    """Return the reference of the contents as they are now. Reads every file."""
    digest = hashlib.sha256()
    for entry in contents.entries:
        _add(digest, entry, _read(entry))
    return SnapshotRef(digest.hexdigest()[:NAME_DIGITS], contents.files, contents.bytes)


def _write(contents: Contents, file: io.BufferedWriter) -> SnapshotRef:
    digest, size = hashlib.sha256(), 0
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in contents.entries:
            data = _read(entry)
            _add(digest, entry, data)
            size += len(data)
            archive.addfile(_header(entry, len(data)), io.BytesIO(data))
    return SnapshotRef(digest.hexdigest()[:NAME_DIGITS], contents.files, size)


def _read(entry: Entry) -> bytes:
    if entry.kind != "file":
        return b""
    try:
        return Path(entry.path).read_bytes()
    except OSError as err:
        raise SnapshotError(Problem(entry.path, f"can't be read: {err.strerror}", "name it in .slurmtfignore")) from None


def _add(digest: hashlib._Hash, entry: Entry, data: bytes) -> None:
    facts = (entry.name, entry.kind, str(entry.mode), entry.link)
    head = b"\0".join(fact.encode("utf-8", "surrogateescape") for fact in facts)
    digest.update(b"%d\0%s%d\0" % (len(head), head, len(data)) + data)


def _header(entry: Entry, size: int) -> tarfile.TarInfo:
    """Return a header that depends on the content alone: no owner, no time."""
    header = tarfile.TarInfo(entry.name)
    header.type = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}[entry.kind]
    header.mode, header.linkname, header.size = entry.mode, entry.link, size
    return header
