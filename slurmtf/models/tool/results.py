"""Scores on disk: collected in memory up to a limit, then in parts, which become one file without being read as a whole."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from .arrays import END, Column, open_columns
from .files import open_whole
from .interchange import Arrays

HELD_BYTES = 64 * 1024 * 1024
"""How much of the scores is held in memory before it is written to a part, and while parts are joined."""
WRITTEN_BYTES = 1024 * 1024
ROW = "row"
"""The name of the array with the rows' numbers."""
Scores = Arrays


class Array(NamedTuple):
    """An array to write: its rows come in blocks of any length."""

    dtypes: frozenset[Any]
    shapes: frozenset[tuple[int, ...]]
    length: int
    blocks: Iterable[object]


class Results:
    """The scores of a shard, added batch by batch and written to one file."""

    def __init__(self, target: Path) -> None:
        self._target, self._held, self._bytes = target, list[Scores](), 0
        self._parts: list[Path] = []
        self._mark = os.urandom(4).hex()  # another process that still works on it, believed dead, has its own parts

    def add(self, scores: Scores) -> None:
        """Add the scores of further rows. Raises OSError, or ValueError if they don't fit the others."""
        self._held.append(scores)
        self._bytes += sum(values.nbytes for values in scores.values())
        if self._bytes > HELD_BYTES:
            self._write_part()

    def finish(self) -> None:
        """Write the file. Raises OSError, or ValueError if the scores don't fit together."""
        if not self._parts:
            self._write(self._target)
            return
        self._write_part()
        concatenate(self._parts, self._target)
        for part in self._target.parent.glob(f"{self._target.stem}.part-*"):  # including those of a killed process
            part.unlink(missing_ok=True)

    def _write_part(self) -> None:
        self._parts.append(self._target.with_suffix(f".part-{self._mark}-{len(self._parts)}"))
        self._write(self._parts[-1])

    def _write(self, path: Path) -> None:
        _check([", ".join(sorted(scores)) for scores in self._held])
        names = list(self._held[0]) if self._held else []
        with open_whole(path) as file:
            _write(file, {name: _from_blocks([scores[name] for scores in self._held]) for name in names})
        self._held, self._bytes = [], 0


def concatenate(parts: Sequence[Path], target: Path) -> None:
    """Concatenate the arrays of .npz files by name, into one file.

    Parts without rows are left out. Raises OSError, or ValueError if they don't fit together.
    """
    filled = [part for part in parts if open_columns(str(part))[ROW].length]
    _check([", ".join(sorted(open_columns(str(part)))) for part in filled])
    with open_whole(target) as file:
        if len(filled) == 1:
            with filled[0].open("rb") as only:
                shutil.copyfileobj(only, file, 1024 * 1024)
            return
        names = list(open_columns(str(filled[0]))) if filled else []
        _write(file, {name: _from_columns([open_columns(str(part))[name] for part in filled]) for name in names})


def _from_blocks(blocks: Sequence[Any]) -> Array:
    of_all = frozenset(values.dtype for values in blocks), frozenset(values.shape[1:] for values in blocks)
    return Array(*of_all, sum(len(values) for values in blocks), blocks)


def _from_columns(held: Sequence[Column]) -> Array:
    of_all = frozenset(column.dtype for column in held), frozenset(column.shape for column in held)
    return Array(
        *of_all,
        sum(column.length for column in held),
        (values for column in held for values in column.iterate_blocks(HELD_BYTES)),
    )


def _check(names: Iterable[str]) -> None:
    different = sorted({*names})
    if len(different) > 1:
        raise ValueError(f"rows have scores of different names: {'; '.join(different)}")


def _write(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """Write an .npz file, block by block. A file without arrays gets that of the row numbers."""
    with zipfile.ZipFile(file, "w") as zipped:
        for name, array in (arrays or {ROW: _from_blocks([np.zeros(0, np.int64)])}).items():
            if len(array.shapes) > 1:
                raise ValueError(f"{name} has rows of different shapes: {', '.join(map(str, sorted(array.shapes)))}")
            dtype, (shape,) = np.result_type(*array.dtypes), array.shapes
            face = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (array.length, *shape)}
            with zipped.open(name + END, "w", force_zip64=True) as member:
                np.lib.format.write_array_header_2_0(member, face)
                for values in _gather(array.blocks):
                    member.write(np.ascontiguousarray(values, dtype).reshape(-1).view(np.uint8).data)


def _gather(blocks: Iterable[Any]) -> Iterator[object]:
    """Yield blocks joined to larger ones: each write to a zip file costs time."""
    held, size = list[Any](), 0
    for values in blocks:
        held.append(values)
        size += values.nbytes
        if size >= WRITTEN_BYTES:
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, size = [], 0
    if held:
        yield np.concatenate(held)
