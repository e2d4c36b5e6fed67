"""Rows of data files, read from the front. Arrays are returned as arrays, records as one mapping for each row."""

from __future__ import annotations

import csv
import itertools
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import examples
from .arrays import open_columns
from .interchange import Arrays

Records = list[object]
"""Of each row a mapping from name to value, or a :class:`BadRow`."""
Take = Callable[[int], "Arrays | Records"]
"""Returns the next rows, so many."""


AS_IT_IS = ("L", "RGB", "RGBA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of Pillow that are kept: grey, colors, with alpha; grey of 32 bits, of decimals, of 16 bits, which as RGB is cut off at
255. An MPO is what phones write as JPEG: an image, and smaller ones of it."""


class BadRow(NamedTuple):
    """A row that can't be read."""

    why: str


class Format(NamedTuple):
    """How one kind of file is read: ``count(path)`` returns the number of rows, ``rows(path, start)`` those from a row on."""

    count: Callable[[str], int]
    rows: Callable[[str, int], Take]


class UnreadableError(Exception):
    """A file can't be read; the message says why."""


UNREADABLE = (OSError, ValueError, ImportError, zipfile.BadZipFile, UnreadableError, csv.Error)


def get_format(path: str) -> Format:
    """Return the format of a file, by its suffix. Raises UnreadableError."""
    found = FORMATS.get(Path(path).suffix.lower())
    if found is None:
        raise UnreadableError(f"is in none of the formats that can be read: {', '.join(FORMATS)}")
    return found


def _count_array_rows(path: str) -> int:
    lengths = {name: column.length for name, column in open_columns(path).items()}
    if len({*lengths.values()}) != 1:
        raise UnreadableError(f"its arrays differ in length: {lengths}" if lengths else "holds no array")
    return next(iter(lengths.values()))


def _open_array_rows(path: str, start: int) -> Take:
    held = open_columns(path)
    for column in held.values():
        column.skip(start)
    return lambda rows: {name: column.take(rows) for name, column in held.items()}


def _read_csv(path: str) -> Iterator[object]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        _check_heading(names)
        yield from (_parse_csv_row(names, row) for row in reader if row)


def _check_heading(names: Sequence[str]) -> None:
    """Raise UnreadableError if a row is no heading: numbers, unless they number the columns as in pandas; duplicate names."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if names and all(map(_is_number, names)) and list(names) != [str(number) for number in range(len(names))]:
        raise UnreadableError("its first line has numbers and no names of columns: put a heading before it")
    if twice:
        raise UnreadableError(f"its heading has several columns of one name: {', '.join(twice)}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_csv_row(names: Sequence[str], row: Sequence[str]) -> object:
    if len(row) != len(names):
        return BadRow(f"has {len(row)} fields, not {len(names)}")
    return dict(zip(names, row, strict=True))


def _open_parquet(path: str) -> Any:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - of this format alone
    except ImportError:
        raise UnreadableError("Parquet files need pyarrow, which this environment does not have") from None
    return parquet.ParquetFile(path)


def _open_parquet_rows(path: str, start: int) -> Take:
    file = _open_parquet(path)
    lengths = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    ends = list(itertools.accumulate(lengths))
    groups = [group for group, end in enumerate(ends) if end > start]
    passed = ends[groups[0]] - lengths[groups[0]] if groups else 0
    rows = (row for part in file.iter_batches(row_groups=groups) for row in part.to_pylist())
    return _take(itertools.islice(rows, start - passed, None))


def _decode_example(data: bytes) -> object:
    found = examples.decode_features(data)
    return BadRow("is not a tf.train.Example") if found is None else found


def _read_image(path: str) -> Iterator[object]:
    try:
        from PIL import Image  # noqa: PLC0415 - of this format alone

        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
            yield {"": _to_pixels(image)} if frames == 1 else BadRow(f"has {frames} frames: save each as an image of its own")
    except Exception as err:  # Pillow's errors: SyntaxError, struct.error ... for broken files; another for one too large
        yield BadRow(f"can't be read as an image: {err}")


def _to_pixels(image: Any) -> object:
    return np.asarray(image if image.mode in AS_IT_IS else image.convert("RGB"))


def _take(rows: Iterable[object]) -> Take:
    left = iter(rows)
    return lambda count: list(itertools.islice(left, count))


def _build_record_format(read: Callable[[str], Iterator[Any]]) -> Format:
    """Return a format whose rows must be read one after the other."""
    return Format(lambda path: sum(1 for _ in read(path)), lambda path, start: _take(itertools.islice(read(path), start, None)))


ARRAYS = Format(_count_array_rows, _open_array_rows)
IMAGES = Format(lambda _: 1, lambda path, start: _take(itertools.islice(_read_image(path), start, None)))
TFRECORDS = Format(examples.count, lambda path, start: _take(map(_decode_example, examples.iterate_records(path, start))))
FORMATS = {
    ".npy": ARRAYS,
    ".npz": ARRAYS,
    ".csv": _build_record_format(_read_csv),
    ".parquet": Format(lambda path: int(_open_parquet(path).metadata.num_rows), _open_parquet_rows),
    ".tfrecord": TFRECORDS,
    ".tfrecords": TFRECORDS,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif"), IMAGES),
}
