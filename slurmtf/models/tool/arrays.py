"""Read arrays of any size in .npy and .npz files from the front, some rows at a time."""

from __future__ import annotations

import math
import os
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np

END, TORN = ".npy", "ends in the middle of an array"
COPIED_BYTES = 1024 * 1024
LOCAL_HEADER = 30
"""Bytes of a zip member's header before its name (APPNOTE.TXT 4.3.7)."""


class Column:
    """An array in an open file. ``shape`` and ``dtype`` are those of a row."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        """Read the head of an array, which begins at the file's position and has ``size`` bytes.

        Raises ValueError if it has no rows, or not all of them.
        """
        begin = file.tell()
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, self.dtype = read(file)
        if not shape:
            raise ValueError("holds a single value, and no rows")
        if self.dtype.hasobject:
            raise ValueError("holds Python objects: save numbers or texts")
        self._file, self.length, self.shape = file, shape[0], shape[1:]
        self._values = math.prod(self.shape)
        self._row = self._values * self.dtype.itemsize
        self._by_column = by_column and len(shape) > 1
        self._place = 0
        if min(shape) < 0 or self.length * self._row > size - (file.tell() - begin):
            raise ValueError(TORN)

    def skip(self, rows: int) -> None:
        self._place += rows
        if not self._by_column:
            self._file.seek(rows * self._row, os.SEEK_CUR)

    def take(self, rows: int) -> object:
        """Return the next rows. Raises ValueError if the file ends too early."""
        start, self._place = self._place, self._place + rows
        if self._by_column:
            return self._gather_rows(start, rows)
        data = self._file.read(rows * self._row)
        _check_length(len(data), rows * self._row)
        return np.frombuffer(data, self.dtype).reshape((rows, *self.shape))

    def _gather_rows(self, start: int, rows: int) -> object:
        """Return rows of an array stored column by column (Fortran order): a part of each column is read."""
        file, begin = self._seekable
        found = np.empty((self._values, rows), self.dtype)
        size = self.dtype.itemsize
        for number, column in enumerate(found):
            place = begin + (number * self.length + start) * size
            _check_length(os.preadv(file.fileno(), [column.view(np.uint8)], place) if rows else 0, rows * size)
        return np.ascontiguousarray(found.reshape((*reversed(self.shape), rows)).T)

    @cached_property
    def _seekable(self) -> tuple[IO[bytes], int]:
        """Return a seekable file and the position of the values; for a compressed file, an unnamed copy."""
        if not isinstance(self._file, zipfile.ZipExtFile):
            return self._file, self._file.tell()
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the column is used
        shutil.copyfileobj(self._file, copy, COPIED_BYTES)
        copy.flush()
        return copy, 0

    def iterate_blocks(self, size: int) -> Iterator[object]:
        """Yield all rows in blocks of so many bytes. Raises ValueError if the file ends too early."""
        rows = max(1, size // max(1, self._row))
        for start in range(0, self.length, rows):
            yield self.take(min(rows, self.length - start))


def _check_length(found: int, wanted: int) -> None:
    if found < wanted:
        raise ValueError(TORN)


def open_columns(path: str) -> dict[str, Column]:
    """Return the arrays of a file by name, that of an .npy file under the empty name. Raises OSError, ValueError or
    BadZipFile."""
    if path.lower().endswith(END):
        return {"": Column(open(path, "rb"), Path(path).stat().st_size)}
    zipped = zipfile.ZipFile(path)
    members = {info.filename.removesuffix(END): info for info in zipped.infolist() if info.filename.endswith(END)}
    return {name: Column(_open_member(zipped, info, path), info.file_size) for name, info in members.items()}


def _open_member(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> IO[bytes]:
    """Return a member at its beginning. An uncompressed one is read in the file itself, so that rows can be skipped."""
    if info.compress_type != zipfile.ZIP_STORED:
        return zipped.open(info)
    file = open(path, "rb")  # noqa: SIM115 - the same
    file.seek(info.header_offset)
    name, extra = struct.unpack("<HH", file.read(LOCAL_HEADER)[26:])
    file.seek(name + extra, os.SEEK_CUR)
    return file
