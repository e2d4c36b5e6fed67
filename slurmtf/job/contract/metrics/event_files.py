"""TensorBoard's event files, read as they grow, with the standard library alone.

A file is a sequence of records: length (8 bytes), its CRC (4), data, its CRC (4); the data is a protocol buffer ``Event``
(tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto, framework/summary.proto). The CRC of a length is
checked before the length is used: it shows whether a record is incomplete or damaged.
"""

import functools
import os
import re
import struct
from typing import Any, Iterator, List, Optional, Tuple

from ..layout import BOARDS, RunLayout
from .entries import Point, is_time

MARK = "tfevents"
"""Part of the name of each event file (tensorflow/core/util/events_writer.cc)."""
HEADER, FOOTER = 12, 4
LONGEST_RECORD = 1 << 28
"""A longer record (in bytes) is skipped without reading it: it is an embedding or a video, not a number."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# field numbers
WALL_TIME, STEP, SUMMARY = 1, 2, 5
VALUE, TAG, SIMPLE_VALUE, TENSOR = 1, 1, 2, 8
DTYPE, SHAPE, CONTENT, FLOATS, DOUBLES, INTS, INT64S = 1, 2, 4, 5, 6, 7, 10
FORMATS = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", 19: "e", 22: "I", 23: "Q"}
"""struct's format characters for TensorFlow's types (framework/types.proto)."""


class DamagedRecordError(ValueError):
    """A record that is not a valid protocol buffer."""


class EventFile:
    """One event file.

    ``prefix`` is put before the names of its metrics: the folder, as TensorBoard names a run. ``task``: the task whose own
    folder (see RunLayout.board) the file is in; empty: the writer is not known.
    """

    def __init__(self, path: str, prefix: str = "", task: str = "") -> None:
        self.path = path
        self.task = task
        self.prefix = prefix
        self.offset = 0

    def read_new_points(self) -> Iterator[Tuple[str, Point]]:
        """Yield the new scalars. A damaged record is skipped; after a damaged length, nothing can be read."""
        try:
            with open(self.path, "rb") as file:
                for record in self._read_new_records(file):
                    yield from self._decode_points(record)
        except OSError:
            return

    def _read_new_records(self, file: Any) -> Iterator[bytes]:
        file.seek(self.offset)
        while True:
            header = file.read(HEADER)
            if len(header) != HEADER:
                return
            length = decode_length(header)
            if length is None:
                return
            if length > LONGEST_RECORD:
                data = b""
                file.seek(length + FOOTER - 1, 1)
                whole = len(file.read(1)) == 1
            else:
                data = file.read(length + FOOTER)
                whole = len(data) == length + FOOTER
            if not whole:
                return
            self.offset += HEADER + length + FOOTER
            yield data[:-FOOTER]

    def _decode_points(self, record: bytes) -> List[Tuple[str, Point]]:
        try:
            return [(self.prefix + tag, point) for tag, point in decode_scalars(record)]
        except (DamagedRecordError, struct.error, IndexError, UnicodeDecodeError):
            return []


@functools.lru_cache(maxsize=4096)
def decode_length(header: bytes) -> Optional[int]:
    """Return the length in a record's header; None if its CRC does not match."""
    length, crc = struct.unpack("<QI", header)
    return length if compute_masked_crc(header[:8]) == crc else None


def _build_table() -> List[int]:
    table = []
    for byte in range(256):
        number = byte
        for _ in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


_CRC32C = _build_table()


def compute_masked_crc(data: bytes) -> int:
    """Return the CRC32C of data as TFRecords store it: rotated, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


Field = Tuple[int, int, Any]
"""A field of a protocol buffer: its number, its wire type, and its value: a number, or the bytes of a nested or fixed one."""


def decode_fields(data: bytes) -> List[Field]:
    """Return the fields of a protocol buffer. Raises DamagedRecordError or IndexError if it is not one."""
    found: List[Field] = []
    at, end = 0, len(data)
    while at < end:
        key, at = (data[at], at + 1) if data[at] < 0x80 else _decode_varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _decode_varint(data, at)
            found.append((key >> 3, kind, value))
            continue
        if kind == BYTES:
            size, at = (data[at], at + 1) if data[at] < 0x80 else _decode_varint(data, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise DamagedRecordError("wire type {}".format(kind))
        found.append((key >> 3, kind, data[at : at + size]))
        at += size
    if at != end:
        raise DamagedRecordError("it is cut off")
    return found


_SIZES = {FIXED64: 8, FIXED32: 4}


def _decode_varint(data: bytes, at: int) -> Tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise DamagedRecordError("a number is too long")
    return value, at + 1


_SHORT = rb"([\x00-\x7f])"
_SIZES_OF_ALL = rb"\x2a" + _SHORT + rb"\x0a" + _SHORT + rb"\x0a" + _SHORT
_USUAL = re.compile(rb"\x09(.{8})\x10([\x80-\xff]{0,9}[\x00-\x7f])" + _SIZES_OF_ALL + rb"(.*)\x15(.{4})", re.DOTALL)
"""An ``Event`` with one scalar as TensorBoard writes it: time, step, the sizes of summary, value and tag, the tag, a number."""


def decode_scalars(record: bytes) -> List[Tuple[str, Point]]:
    """Return the scalars of an ``Event``, with their tags."""
    usual = _decode_usual(record)
    return list(_iterate_scalars(record)) if usual is None else [usual]


def _decode_usual(record: bytes) -> Optional[Tuple[str, Point]]:
    """Return the scalar of a record that holds nothing else, three times as fast; None for any other record."""
    found = _USUAL.fullmatch(record)
    if found is None:
        return None
    time, step, summary, value, size, tag, number = found.groups()
    if not summary[0] - 9 == value[0] - 7 == size[0] == len(tag):
        return None
    return tag.decode("utf-8"), Point(
        _to_signed(_decode_varint(step, 0)[0]), _FLOAT(number)[0], _validate_time(_DOUBLE(time)[0])
    )


_FLOAT, _DOUBLE = struct.Struct("<f").unpack, struct.Struct("<d").unpack


def _to_signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _validate_time(seconds: float) -> float:
    return seconds if is_time(seconds) else 0.0


def _iterate_scalars(record: bytes) -> Iterator[Tuple[str, Point]]:
    time, step, summary = 0.0, 0, b""
    for number, kind, value in decode_fields(record):
        if number == WALL_TIME and kind == FIXED64:
            time = _validate_time(_DOUBLE(value)[0])
        elif number == STEP and kind == VARINT:
            step = _to_signed(value)
        elif number == SUMMARY and kind == BYTES:
            summary = value
    for number, kind, value in decode_fields(summary):
        if number == VALUE and kind == BYTES:
            found = _decode_scalar(value)
            if found is not None:
                yield found[0], Point(step, found[1], time)


def _decode_scalar(summary: bytes) -> Optional[Tuple[str, float]]:
    tag, value = "", None
    for number, kind, content in decode_fields(summary):
        if number == TAG and kind == BYTES:
            tag = content.decode("utf-8")
        elif number == SIMPLE_VALUE and kind == FIXED32:
            (value,) = struct.unpack("<f", content)
        elif number == TENSOR and kind == BYTES:
            value = _decode_tensor(content)
    return None if value is None else (tag, value)


def _decode_tensor(tensor: bytes) -> Optional[float]:
    """Return the number in a tensor without dimensions; None for any other tensor."""
    found = decode_fields(tensor)
    if any(number == SHAPE and data for number, _, data in found):
        return None
    typed = [_decode_first(number, kind, data) for number, kind, data in found if number in _TYPED and data != b""]
    if typed:
        return typed[-1]
    last = {(number, kind): data for number, kind, data in found}
    letter, content = FORMATS.get(last.get((DTYPE, VARINT), 0), ""), last.get((CONTENT, BYTES), b"")
    return float(struct.unpack("<" + letter, content)[0]) if letter and len(content) == struct.calcsize(letter) else None


_TYPED = {FLOATS: "<f", DOUBLES: "<d", INTS: "", INT64S: ""}


def _decode_first(number: int, kind: int, data: Any) -> float:
    """Return the first number of a repeated field, which may be packed."""
    letter = _TYPED[number]
    if letter:
        if kind == VARINT:
            raise DamagedRecordError("field {} holds an integer".format(number))
        return float(struct.unpack(letter, data[: struct.calcsize(letter)])[0])
    value = data if kind == VARINT else _decode_varint(data, 0)[0]
    return float(_to_signed(value))


def find_event_files(layout: RunLayout) -> Iterator[EventFile]:
    """Yield the event files in a run's outputs, logs and working folder, without following links; work links to the others."""
    for root in (layout.outputs, layout.logs, layout.work):
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            parts = [part for part in os.path.relpath(folder, root).split(os.sep) if part != os.curdir]
            in_board = len(parts) > 1 and root == layout.outputs and parts[0] == BOARDS
            task, below = (parts[1], parts[2:]) if in_board else ("", parts)
            prefix = "".join(part + "/" for part in below)
            yield from (EventFile(os.path.join(folder, name), prefix, task) for name in sorted(names) if MARK in name)
