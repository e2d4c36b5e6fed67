"""Read files of any size in pieces, but consistently: never partly before and partly after a change."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from typing import NamedTuple

from slurmtf.snapshot.archive import Archive
from slurmtf.snapshot.entries import Entry, compute_stamp
from slurmtf.snapshot.secrets import holds_private_key

PIECE = 1 << 20
ATTEMPTS, PAUSE_S = 3, 0.02
OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags that keep open() from following a link, or waiting at a pipe, that has replaced the file meanwhile."""
CHANGES = "it changes while it is read"


class Blob(NamedTuple):
    """What a file held when it had this stamp."""

    stamp: str
    sha256: str
    is_private_key: bool = False

    @property
    def size(self) -> int:
        return int(self.stamp.partition(" ")[0])


class ReadError(Exception):
    """A file can't be read. ``gone``: it no longer exists."""

    def __init__(self, reason: str | OSError) -> None:
        number = reason.errno if isinstance(reason, OSError) else None
        self.gone = number == errno.ENOENT
        changed = number in (None, errno.ELOOP, errno.ENXIO)  # a link or a socket is now where the file was
        super().__init__(CHANGES if changed else os.strerror(number or 0))


def read(entry: Entry, archive: Archive | None = None) -> Blob:
    """Read a file, and copy it into the archive if there is one.

    A file that changes while it is read is read again. A file that only grows, such as a log, is read up to its former end.
    Raises ReadError, or OSError if the archive can't be written.
    """
    try:
        descriptor = os.open(entry.path, OPENING)
    except OSError as err:
        raise ReadError(err) from None
    try:
        return _read_steady(descriptor, entry, archive)
    finally:
        os.close(descriptor)


def _read_steady(descriptor: int, entry: Entry, archive: Archive | None) -> Blob:
    start = archive.mark if archive else None
    for left in reversed(range(ATTEMPTS)):
        before = _read_status(descriptor)
        blob = _copy(descriptor, before, entry, archive)
        after = _read_status(descriptor)
        if blob and (compute_stamp(after) == blob.stamp or (not left and after.st_size > before.st_size)):
            return blob
        time.sleep(PAUSE_S)
        os.lseek(descriptor, 0, os.SEEK_SET)
        if archive and start:
            archive.rewind(start)
    raise ReadError(CHANGES)


def _read_status(descriptor: int) -> os.stat_result:
    try:
        status = os.fstat(descriptor)
    except OSError as err:
        raise ReadError(err) from None
    if not stat.S_ISREG(status.st_mode):
        raise ReadError(CHANGES)
    return status


def _copy(descriptor: int, status: os.stat_result, entry: Entry, archive: Archive | None) -> Blob | None:
    """Read as many bytes as the file had; return None if there are fewer."""
    left = status.st_size
    content = hashlib.sha256()
    if archive:
        archive.add(entry, left)
    is_key = False
    while left:
        data = _read_piece(descriptor, min(PIECE, left))
        if not data:
            return None
        is_key = is_key or (left == status.st_size and holds_private_key(entry.name, data))
        content.update(data)
        if archive:
            archive.write(data)
        left -= len(data)
    return Blob(compute_stamp(status), content.hexdigest(), is_key)


def _read_piece(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as err:
        raise ReadError(err) from None
