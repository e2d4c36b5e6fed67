"""Rows of data files: how many there are, and those of a range. Arrays come as arrays, records as one mapping for each row."""

from __future__ import annotations

import csv
import functools
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Arrays = Mapping[str, Any]
Records = list[Any]
"""Of each row a mapping from name to value, or a :class:`BadRow`."""


class BadRow(NamedTuple):
    """A row that can't be read."""

    why: str


class Format(NamedTuple):
    """How one kind of file is read: ``count(path)``, and ``read(path, start, stop)``."""

    count: Callable[[str], int]
    read: Callable[[str, int, int], Arrays | Records]


class UnreadableError(Exception):
    """A file can't be read; the message says why."""


@functools.lru_cache(maxsize=4)
def format_of(path: str) -> Format:
    """Return how a file is read, by its suffix. Raises UnreadableError."""
    found = FORMATS.get(Path(path).suffix.lower())
    if found is None:
        raise UnreadableError(f"is of no kind that can be read: {', '.join(FORMATS)}")
    return found


def _npy_count(path: str) -> int:
    return len(np.load(path, mmap_mode="r", allow_pickle=False))


def _npy(path: str, start: int, stop: int) -> Arrays:
    return {"": np.load(path, mmap_mode="r", allow_pickle=False)[start:stop]}


@functools.lru_cache(maxsize=1)
def _npz_arrays(path: str) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def _npz_count(path: str) -> int:
    lengths = {name: len(values) for name, values in _npz_arrays(path).items()}
    if len({*lengths.values()}) != 1:
        raise UnreadableError(f"its arrays are not of one length: {lengths}")
    return next(iter(lengths.values()))


def _npz(path: str, start: int, stop: int) -> Arrays:
    return {name: values[start:stop] for name, values in _npz_arrays(path).items()}


@functools.lru_cache(maxsize=1)
def _csv_rows(path: str) -> Records:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        return [_csv_row(names, row) for row in reader if row]


def _csv_row(names: Sequence[str], row: Sequence[str]) -> Any:
    if len(row) != len(names):
        return BadRow(f"has {len(row)} fields, not {len(names)}")
    return dict(zip(names, row, strict=True))


@functools.lru_cache(maxsize=1)
def _parquet_rows(path: str) -> Records:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - of this format alone
    except ImportError:
        raise UnreadableError("Parquet files need pyarrow, which this environment has not") from None
    return list(parquet.read_table(path).to_pylist())


@functools.lru_cache(maxsize=1)
def _tfrecords(path: str) -> Records:
    return [_example(data) for data in _frames(path)]


def _frames(path: str) -> Iterator[bytes]:
    """Yield the records of a TFRecord file (length, its CRC, data, its CRC); the CRCs are not checked."""
    with open(path, "rb") as file:
        while head := file.read(12):
            if len(head) < 12:
                raise UnreadableError("ends in the midst of a record")
            (length,) = struct.unpack("<Q", head[:8])
            data = file.read(length)
            if len(data) < length or len(file.read(4)) < 4:
                raise UnreadableError("ends in the midst of a record")
            yield data


def _example(data: bytes) -> Any:
    """Return the features of a tf.train.Example (its protocol buffer, read by hand), each as a list; BadRow when it is none."""
    try:
        found: dict[str, Any] = {}
        for features in _fields(data, 1):
            for entry in _fields(features, 1):
                (name,), feature = _fields(entry, 1), b"".join(_fields(entry, 2))
                found[name.decode()] = _feature(feature)
        return found
    except (ValueError, IndexError, UnicodeDecodeError, struct.error):
        return BadRow("is no tf.train.Example")


def _feature(data: bytes) -> list[Any]:
    texts = [text for one in _fields(data, 1) for text in _fields(one, 1)]
    floats = [value for one in _fields(data, 2) for value in _floats(one)]
    integers = [value for one in _fields(data, 3) for value in _integers(one)]
    return texts or floats or integers


def _floats(data: bytes) -> list[float]:
    return [value for part in _fields(data, 1) for value in struct.unpack(f"<{len(part) // 4}f", part)]


def _integers(data: bytes) -> Iterator[int]:
    for part in _fields(data, 1, packed=True):
        place = 0
        while place < len(part):
            value, place = _varint(part, place)
            yield value - (1 << 64) if value >> 63 else value


def _fields(data: bytes, wanted: int, packed: bool = False) -> list[bytes]:
    """Return the values of one field of a message; ``packed``: a number that stands alone counts for a list of one."""
    found, place = [], 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        start = place
        if kind == 0:
            _, place = _varint(data, place)
        elif kind == 2:
            length, start = _varint(data, place)
            place = start + length
        elif kind in (1, 5):
            place += {1: 8, 5: 4}[kind]
        else:
            raise ValueError(f"wire type {kind}")
        if place > len(data):
            raise ValueError("a field that ends beyond the message")
        if number == wanted and (kind in (2, 5) or packed):
            found.append(data[start:place])
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value, place
        shift += 7


def _image(path: str, start: int, stop: int) -> Records:
    if start >= stop:
        return []
    try:
        from PIL import Image  # noqa: PLC0415 - of this format alone

        with Image.open(path) as image:
            return [{"": np.asarray(image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB"))}]
    except (OSError, ValueError, ImportError) as err:
        return [BadRow(f"can't be read as an image: {err}")]


def _of_list(read: Callable[[str], Records]) -> Format:
    return Format(lambda path: len(read(path)), lambda path, start, stop: read(path)[start:stop])


IMAGES = Format(lambda _: 1, _image)
FORMATS = {
    ".npy": Format(_npy_count, _npy),
    ".npz": Format(_npz_count, _npz),
    ".csv": _of_list(_csv_rows),
    ".parquet": _of_list(_parquet_rows),
    ".tfrecord": _of_list(_tfrecords),
    ".tfrecords": _of_list(_tfrecords),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif"), IMAGES),
}
