"""TFRecord files of ``tf.train.Example``, read without TensorFlow: frames, and the protocol buffer by hand."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import IO, Any

HEAD, TAIL = 12, 4
"""Bytes before a record (its length, and the length's CRC) and after it (its own CRC)."""


def count(path: str) -> int:
    """Return the number of records of a file without reading them. Raises OSError or ValueError."""
    with open(path, "rb") as file:
        return sum(1 for _ in _iterate_lengths(file))


def iterate_records(path: str, start: int) -> Iterator[bytes]:
    """Yield the records from number ``start`` on; their CRCs are not checked. Raises OSError or ValueError."""
    with open(path, "rb") as file:
        for number, length in enumerate(_iterate_lengths(file)):
            if number >= start:
                data = file.read(length)
                file.seek(-length, os.SEEK_CUR)
                yield data


def _iterate_lengths(file: IO[bytes]) -> Iterator[int]:
    """Yield the length of each record, with the file at its beginning; the file must be there again before the next one.

    Raises ValueError for a file that ends in the middle of a record.
    """
    size, place = os.fstat(file.fileno()).st_size, 0
    while place < size:
        head = file.read(HEAD)
        length = struct.unpack("<Q", head[:8])[0] if len(head) == HEAD else 0
        place += HEAD + length + TAIL
        if len(head) < HEAD or place > size:
            raise ValueError("ends in the middle of a record")
        yield length
        file.seek(length + TAIL, os.SEEK_CUR)


def decode_features(data: bytes) -> dict[str, list[object]] | None:
    """Return the features of a ``tf.train.Example``, each as a list; None if the record is not one."""
    try:
        found: dict[str, list[object]] = {}
        for every in _decode_field(data, 1):
            for entry in _decode_field(every, 1):
                (name,), feature = _decode_field(entry, 1), b"".join(_decode_field(entry, 2))
                found[name.decode()] = _decode_feature(feature)
        return found
    except (ValueError, IndexError, UnicodeDecodeError, struct.error):
        return None


def _decode_feature(data: bytes) -> list[Any]:
    texts = [text for one in _decode_field(data, 1) for text in _decode_field(one, 1)]
    floats = [value for one in _decode_field(data, 2) for value in _decode_floats(one)]
    integers = [value for one in _decode_field(data, 3) for value in _decode_integers(one)]
    return texts or floats or integers


def _decode_floats(data: bytes) -> list[float]:
    return [value for part in _decode_field(data, 1) for value in struct.unpack(f"<{len(part) // 4}f", part)]


def _decode_integers(data: bytes) -> Iterator[int]:
    for part in _decode_field(data, 1, packed=True):
        place = 0
        while place < len(part):
            value, place = _decode_varint(part, place)
            yield value - (1 << 64) if value >> 63 else value


def _decode_field(data: bytes, wanted: int, packed: bool = False) -> list[bytes]:
    """Return the values of one field of a message; ``packed``: a single number counts as a list of one."""
    found, place = [], 0
    while place < len(data):
        key, place = _decode_varint(data, place)
        number, kind = key >> 3, key & 7
        start = place
        if kind == 0:
            _, place = _decode_varint(data, place)
        elif kind == 2:
            length, start = _decode_varint(data, place)
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


def _decode_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value, place
        shift += 7
