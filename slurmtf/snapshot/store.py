"""The content-addressed store: each content is one tar file, shared by all runs that have it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from slurmtf.errors import SnapshotError
from slurmtf.files import make_private
from slurmtf.snapshot.archive import Archive, has_archive
from slurmtf.snapshot.contents import GONE
from slurmtf.snapshot.entries import WITHHELD, Contents, Entry, describe_unreadable
from slurmtf.snapshot.identity import Snapshot, SnapshotRef, leave_out
from slurmtf.snapshot.ignore import Ignore
from slurmtf.snapshot.index import Index
from slurmtf.snapshot.reading import OPENING, PIECE, Blob, ReadError, read
from slurmtf.trusted import locate_own_folder

FOLDER = "snapshots"
READ_ONLY = 0o400
"""The mode of a stored file: as the source of many runs, it must not be overwritten by accident."""


class SnapshotStore:
    """The snapshots of a workspace. Raises WorkspaceError if somebody else could have put them there.

    One file for each content keeps the number of files on a shared file system small. Runs have hard links to it, so a run
    keeps its source whatever happens to the store.
    """

    def __init__(self, workspace: Path) -> None:
        self._folder = locate_own_folder(workspace, FOLDER)

    def path(self, snapshot: SnapshotRef) -> Path:
        return self._folder / f"{snapshot.id}.tar"

    def read(self, contents: Contents) -> Snapshot:
        """Return the contents in their current state, without private keys that the ignore file does not name.

        Writes nothing, and reads only files that the index does not know.

        Raises SnapshotError if files can't be read.
        """
        known = Index.locate(self._folder, contents.root).load()

        def look(entry: Entry) -> Blob | None:
            blob = known.get(entry.name)
            if blob and blob.stamp == entry.stamp:
                return blob
            return read(entry) if entry.kind == "file" else None

        return _leave_keys_out(_visit_entries(Snapshot(contents, {}, known), look))

    def take(self, snapshot: Snapshot, path: str) -> Snapshot:
        """Put the snapshot at ``path``, and into the store unless it is there. Returns the snapshot as it was written.

        If a file has changed since it was read, its new content is stored, and the id is that of the written content. Removals
        from the store meanwhile do no harm, because ``path`` is created from an open or a linked file. Raises SnapshotError if
        files can't be read, OSError if the store or ``path`` can't be written.
        """
        taken = snapshot if self._give(snapshot.ref, path) else self._write(snapshot, path)
        Index.locate(self._folder, taken.contents.root).save(taken.contents, taken.blobs, taken.known)
        return taken

    def list_partials(self) -> list[Path]:
        """Return the files that are being written, or were being written when their writer was killed."""
        return list(self._folder.glob(".*"))

    def list_stored(self) -> list[Path]:
        """Return the files of all snapshots; each name but its suffix is an id."""
        return list(self._folder.glob("*.tar"))

    def list_indexes(self) -> list[Index]:
        return [Index(path) for path in self._folder.glob("*.index")]

    def _give(self, ref: SnapshotRef, path: str) -> bool:
        """Put a stored snapshot at ``path``; return False if there is none. A snapshot whose content differs is removed."""
        try:
            if not _is_intact(self.path(ref), ref):
                self.path(ref).unlink(missing_ok=True)
                return False
            share(self.path(ref), path)
        except OSError as err:
            if err.errno in (errno.ENOENT, errno.ESTALE, errno.ELOOP):
                Path(path).unlink(missing_ok=True)
                return False
            raise
        return True

    def _write(self, snapshot: Snapshot, path: str) -> Snapshot:
        make_private(self._folder)
        partial = self._folder / f".partial-{uuid.uuid4().hex}"
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY), "wb", PIECE) as file:
                written = _archive(snapshot, Archive(file))
            if not self._give(written.ref, path):
                share(partial, path)
                partial.rename(self.path(written.ref))
        finally:
            partial.unlink(missing_ok=True)
        return written


def _is_intact(path: Path, ref: SnapshotRef) -> bool:
    """Return whether a file of the store is ours and as it was written: a disk may have lost a part of it."""
    with open(os.open(path, OPENING), "rb", PIECE) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            return False
        return has_archive(file, found.st_size, ref.id)


def share(source: Path, path: str) -> None:
    """Put a file at ``path`` as well: by hard link, else by a copy, which shares its blocks if the file system supports
    that."""
    try:
        os.link(source, path)
    except OSError:
        with source.open("rb") as file, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY), "wb") as copy:
            with contextlib.suppress(OSError):  # not supported by this kernel, or between these file systems
                while os.copy_file_range(file.fileno(), copy.fileno(), 1 << 30):
                    pass
            shutil.copyfileobj(file, copy)  # the rest, mostly nothing


def _archive(snapshot: Snapshot, archive: Archive) -> Snapshot:
    def write(entry: Entry) -> Blob | None:
        if entry.kind == "file":
            return read(entry, archive)
        archive.add(entry)
        return None

    written = _visit_entries(snapshot, write)
    archive.finish(written.ref.id)
    return written


def _leave_keys_out(snapshot: Snapshot) -> Snapshot:
    found = [name for name, blob in snapshot.blobs.items() if blob.is_private_key]
    keys = [name for name in found if not Ignore(snapshot.contents.root).has_exception_for(name)]
    if not keys:
        return snapshot
    contents = leave_out(snapshot.contents, {name: f"{name} ({WITHHELD})" for name in keys})
    blobs = {name: blob for name, blob in snapshot.blobs.items() if name not in keys}
    return Snapshot(replace(contents, secrets=(*contents.secrets, *keys)), blobs, snapshot.known)


def _visit_entries(snapshot: Snapshot, look: Callable[[Entry], Blob | None]) -> Snapshot:
    """Look at each entry. Removed files are left out. Raises SnapshotError for files that can't be read."""
    blobs: dict[str, Blob] = {}
    gone: dict[str, str] = {}
    unreadable = list(snapshot.contents.unreadable)
    for entry in snapshot.contents.entries:
        try:
            blob = look(entry)
        except ReadError as err:
            if err.gone:
                gone[entry.name] = f"{entry.name} ({GONE})"
            else:
                unreadable.append((entry.path, str(err)))
        else:
            if blob:
                blobs[entry.name] = blob
    if unreadable:
        raise SnapshotError(*describe_unreadable(unreadable))
    return Snapshot(leave_out(snapshot.contents, gone), blobs, snapshot.known)
