"""Write the tar file of a snapshot: only content, without owners and times, so that equal sources produce equal files."""

from __future__ import annotations

import tarfile
from typing import BinaryIO

from slurmtf.job.contract.snapshot import BLOCK, FIELD, TYPES
from slurmtf.snapshot.entries import Entry

PLAIN_SIZE = 8**11


class Archive:
    """A tar file that is written entry by entry, and can be truncated to an earlier position."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0

    def add(self, entry: Entry, size: int = 0) -> None:
        """Write an entry's header. Its content must follow."""
        self._pad()
        self.write(_encode_header(entry, size))

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.position += len(data)

    def rewind(self, position: int) -> None:
        self._file.seek(position)
        self._file.truncate()
        self.position = position

    def finish(self) -> None:
        self._pad()
        self.write(bytes(2 * BLOCK))

    def _pad(self) -> None:
        self.write(bytes(-self.position % BLOCK))


def _encode_header(entry: Entry, size: int) -> bytes:
    name = entry.name + "/" if entry.kind == "folder" else entry.name
    plain = name.isascii() and entry.link.isascii() and max(len(name), len(entry.link)) <= FIELD and size < PLAIN_SIZE
    return _encode_plain_header(name, entry, size) if plain else _encode_pax_header(entry, size)


def _encode_plain_header(name: str, entry: Entry, size: int) -> bytes:
    """Return the same header as tarfile, in a tenth of its time, which would dominate when writing many small files."""
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (entry.mode, 0, 0, size, 0)
    head = name.encode().ljust(FIELD, b"\0") + numbers
    tail = TYPES[entry.kind] + entry.link.encode().ljust(FIELD, b"\0") + tarfile.POSIX_MAGIC
    checksum = sum(head) + sum(b" " * 8) + sum(tail)
    return (head + b"%06o\0 " % checksum + tail).ljust(BLOCK, b"\0")


def _encode_pax_header(entry: Entry, size: int) -> bytes:
    header = tarfile.TarInfo(entry.name)
    header.type, header.mode, header.linkname, header.size = TYPES[entry.kind], entry.mode, entry.link, size
    return header.tobuf(tarfile.PAX_FORMAT)
