"""Arrays in .npy and .npz files, read from the front, so many rows at a time, whatever their size."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

END = ".npy"
LOCAL_HEADER = 30
"""Bytes of a zip member's header before its name (APPNOTE.TXT 4.3.7)."""


class Column:
    """An array in an open file. ``shape`` and ``dtype`` are those of a row."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read the head of an array, which begins where the file stands. Raises ValueError when it has no rows."""
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, self.dtype = read(file)
        if not shape:
            raise ValueError("holds a single value, and no rows")
        if self.dtype.hasobject:
            raise ValueError("holds Python objects: save numbers or texts")
        self._file, self.length, self.shape = file, shape[0], shape[1:]
        self._row = int(np.prod(self.shape, dtype=int)) * self.dtype.itemsize
        self._whole = self._by_column(shape) if by_column and len(shape) > 1 else None
        self._place = 0

    def _by_column(self, shape: tuple[int, ...]) -> Any:
        """Return an array that lies in the file column by column, as Fortran does: no row of it can be read alone."""
        data = self._file.read(self._row * self.length)
        return np.frombuffer(data, self.dtype).reshape(shape, order="F")

    def skip(self, rows: int) -> None:
        self._place += rows
        if self._whole is None:
            self._file.seek(rows * self._row, os.SEEK_CUR)

    def take(self, rows: int) -> Any:
        """Return the next rows. Raises ValueError when the file ends before."""
        start, self._place = self._place, self._place + rows
        if self._whole is not None:
            return self._whole[start : self._place]
        data = self._file.read(rows * self._row)
        if len(data) < rows * self._row:
            raise ValueError("ends in the midst of an array")
        return np.frombuffer(data, self.dtype).reshape((rows, *self.shape))

    def blocks(self, size: int) -> Iterator[Any]:
        """Yield all rows, so many bytes at a time. Raises ValueError when the file ends before."""
        rows = max(1, size // max(1, self._row))
        for start in range(0, self.length, rows):
            yield self.take(min(rows, self.length - start))


def columns(path: str) -> dict[str, Column]:
    """Return the arrays of a file by name, that of an .npy file under the empty name.

    Raises OSError, ValueError or BadZipFile.
    """
    if path.lower().endswith(END):
        return {"": Column(open(path, "rb"))}
    zipped = zipfile.ZipFile(path)
    members = {info.filename.removesuffix(END): info for info in zipped.infolist() if info.filename.endswith(END)}
    return {name: Column(_opened(zipped, info, path)) for name, info in members.items()}


def _opened(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> IO[bytes]:
    """Return a member at its begin. One that is not compressed is read in the file itself, where its rows can be skipped."""
    if info.compress_type != zipfile.ZIP_STORED:
        return zipped.open(info)
    file = open(path, "rb")  # noqa: SIM115 - the same
    file.seek(info.header_offset)
    name, extra = struct.unpack("<HH", file.read(LOCAL_HEADER)[26:])
    file.seek(name + extra, os.SEEK_CUR)
    return file
