"""Read rows in the order of the files, block by block, and score them in batches, which are the same for any number of
shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .drawing import Spec
from .feeding import feed_arrays, feed_records, join
from .interchange import Arrays, JsonObject
from .readers import UNREADABLE, BadRow, Take, UnreadableError, get_format

BATCH_BYTES = 4 * 1024 * 1024
"""The size of a batch if none is given, in bytes."""
BATCH_ROWS = (64, 1024)
"""The most rows of such a batch, if there are few rows and if there are many."""
BATCHES = 256
"""The least number of batches of maximal size: a shard consists of whole batches."""
BLOCK_BYTES = 4 * 1024 * 1024
"""Bytes read at once: memory of this size is reused, instead of being requested from the kernel page by page."""
BLOCK_BATCHES = 256
AT_ONCE_BYTES = 256 * 1024
"""The largest batch, as it was read, that is brought into the model's types with its whole block: of smaller ones each step
costs more than what it does; larger ones, four times as large as the model takes bytes, would leave the processor's cache."""
FEW = 2**31


class Piece(NamedTuple):
    """Rows of one file, and the number of the first among all rows."""

    file: str
    start: int
    stop: int
    number: int


class Part(NamedTuple):
    """Rows of one file that were read."""

    piece: Piece
    data: Any

    @property
    def rows(self) -> int:
        return self.piece.stop - self.piece.start

    def cut(self, start: int, stop: int) -> Part:
        """Return some of the rows."""
        file, first, _, number = self.piece
        return Part(Piece(file, first + start, first + stop, number + start), cut_rows(self.data, start, stop))


class Scorer(NamedTuple):
    """The function that scores a batch. ``specs``: its inputs; None: a script gets the rows as read.

    ``raw``: a script whose ``run(raw_data)`` gets the text of a request, as in Azure ML; None: there is none.
    """

    call: Callable[[Any], Arrays]
    specs: Mapping[str, Spec] | None
    raw: Callable[[str], Any] | None = None


def iterate_pieces(counts: Sequence[int], files: Sequence[str], first: int, last: int) -> Iterator[Piece]:
    """Yield the places of the rows from ``first`` to ``last`` (exclusive), of all rows in the order of the files."""
    begin = 0
    for file, count in zip(files, counts, strict=True):
        start, stop = max(first, begin), min(last, begin + count)
        if start < stop:
            yield Piece(file, start - begin, stop - begin, start)
        begin += count


def compute_batch_range(shard: int, shards: int, total: int, batch: int) -> range:
    """Return the numbers of the batches of a shard: whole batches, so that they do not depend on the number of shards."""
    batches = -(-total // batch)
    return range(shard * batches // shards, (shard + 1) * batches // shards)


def choose_batch_size(row_bytes: int, total: int) -> int:
    """Return how many rows are scored at a time by default: as many as fit, or fewer if there are few rows, so that they can be
    shared."""
    few, many = BATCH_ROWS
    return max(1, min(BATCH_BYTES // max(1, row_bytes), many, max(few, total // BATCHES)))


def choose_block_size(row_bytes: int, batch: int) -> int:
    """Return how many rows are read at a time: whole batches."""
    return batch * max(1, min(BLOCK_BATCHES, BLOCK_BYTES // max(1, row_bytes * batch)))


def estimate_size(data: Any) -> int:
    """Return the approximate size of the rows in bytes."""
    if isinstance(data, Mapping):
        return sum(int(np.asarray(values).nbytes) for values in data.values())
    return sum(estimate_size(row) for row in data if isinstance(row, Mapping))


def read_blocks(found: Sequence[Piece], size: int) -> Iterator[list[Part]]:
    """Read pieces, so many rows at a time. Raises the readers' errors, and ValueError if a file no longer has the rows."""
    held: list[Part] = []
    room = size
    for piece in found:
        take = get_format(piece.file).rows(piece.file, piece.start)
        start = piece.start
        while start < piece.stop:
            stop = min(piece.stop, start + room)
            held.append(_read(take, Piece(piece.file, start, stop, piece.number + start - piece.start)))
            _check(held[-1])
            room, start = room - (stop - start), stop
            if not room:
                yield held
                held, room = [], size
    if held:
        yield held


def _read(take: Take, piece: Piece) -> Part:
    try:
        return Part(piece, take(piece.stop - piece.start))
    except UNREADABLE as err:
        raise UnreadableError(f"{piece.file}: {err}") from None


def _check(part: Part) -> None:
    lengths = {len(values) for values in part.data.values()} if isinstance(part.data, Mapping) else {len(part.data)}
    if lengths != {part.rows}:
        raise ValueError(f"{part.piece.file} no longer has the rows that were counted")


def score_block(
    parts: Sequence[Part], scorer: Scorer, batch: int, tell: Callable[[int], None]
) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return the scores of a block, with the numbers of their rows, and its bad rows.

    ``tell`` gets the number of rows of each finished batch. A batch that fails is tried row by row: the bad ones are
    named, and the others have their scores.
    """
    total = sum(part.rows for part in parts)
    numbers = _number_rows(parts[0].piece.number, total)
    at_once = None if _estimate_row_bytes(parts) * batch > AT_ONCE_BYTES else _join_block(parts, scorer.specs)
    good: list[dict[str, object]] = []
    bad: list[dict[str, object]] = []
    for start in range(0, total, batch):
        stop = min(total, start + batch)
        try:
            data = (
                _join_parts(cut_parts(parts, start, stop), scorer.specs) if at_once is None else cut_rows(at_once, start, stop)
            )
            good.append(_answer(scorer, data, numbers[start:stop]))
        except Exception:  # the data's, the runtime's or a script's: the single rows show which
            for part in cut_parts(parts, start, stop):
                _score_each_row(part, scorer, good, bad)
        tell(stop - start)
    return good, bad


def cut_parts(parts: Sequence[Part], start: int, stop: int) -> list[Part]:
    """Return the rows from ``start`` to ``stop`` of a block."""
    found, begin = [], 0
    for part in parts:
        low, high = max(start, begin) - begin, min(stop, begin + part.rows) - begin
        if low < high:
            found.append(part.cut(low, high))
        begin += part.rows
    return found


def cut_rows(data: Any, start: int, stop: int) -> object:
    if isinstance(data, dict):
        return {name: values[start:stop] for name, values in data.items()}
    return data[start:stop]


def _estimate_row_bytes(parts: Sequence[Part]) -> int:
    return estimate_size(parts[0].cut(0, 1).data)


def _join_block(parts: Sequence[Part], specs: Mapping[str, Spec] | None) -> object:
    """Return a block as a whole, whose slices equal its batches; None if they would not, or a row is bad."""
    if specs is None and len({_get_layout(part.data) for part in parts}) > 1:
        return None  # together they would get a type that they do not have alone
    try:
        return _join_parts(parts, specs)
    except Exception:  # from the data of any row
        return None


def _get_layout(data: object) -> object:
    if not isinstance(data, Mapping):
        return None
    return tuple((name, str(values.dtype), values.shape[1:]) for name, values in data.items())


def _number_rows(first: int, rows: int) -> Any:
    """Return the numbers of rows, in four bytes if they fit: with small rows they are half of the output."""
    return np.arange(first, first + rows, dtype=np.int32 if first + rows <= FEW else np.int64)


def _score_each_row(part: Part, scorer: Scorer, good: list[dict[str, object]], bad: list[dict[str, object]]) -> None:
    for place in range(part.rows):
        own = part.cut(place, place + 1)
        try:
            good.append(_answer(scorer, _join_parts([own], scorer.specs), _number_rows(own.piece.number, 1)))
        except Exception as err:  # of the data, of the runtime, of a script
            why = (str(err).splitlines() or [type(err).__name__])[0][:300]
            bad.append({"file": part.piece.file, "row": own.piece.start, "why": why})


def _join_parts(parts: Sequence[Part], specs: Mapping[str, Spec] | None) -> object:
    """Return the rows of parts as one, for the model or for a script."""
    data = [part.data for part in parts]
    if specs is not None:
        if len(data) > 1 and isinstance(data[0], Mapping) and len({_get_layout(one) for one in data}) == 1:
            data = [join(data)]  # as read, they are small
        ready = [feed_arrays(one, specs) if isinstance(one, Mapping) else feed_records(one, specs) for one in data]
        return ready[0] if len(ready) == 1 else join(ready)
    if all(isinstance(one, Mapping) for one in data):
        arrays = join(data)
        return next(iter(arrays.values())) if len(arrays) == 1 else arrays
    records = [record for one in data for record in one]
    bad = next((record for record in records if isinstance(record, BadRow)), None)
    if bad:
        raise ValueError(bad.why)
    return records


def _answer(scorer: Scorer, data: object, numbers: Any) -> dict[str, object]:
    answer = {name: to_storable(values) for name, values in scorer.call(data).items()}
    lengths = {name: len(values) if values.ndim else "one value" for name, values in answer.items()}
    wrong = {name: length for name, length in lengths.items() if length != len(numbers)}
    if wrong:
        raise ValueError(f"answers {wrong} for {len(numbers)} rows")
    return {"row": numbers, **answer}


def to_storable(values: object) -> Any:
    """Return an array that can be stored without pickle: objects other than texts become JSON."""
    mixed = isinstance(values, list) and any(isinstance(value, dict) for value in values)
    found = np.array(values, dtype=object) if mixed else np.asarray(values)
    if found.dtype.kind != "O":
        return found
    flat = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in found.ravel().tolist()]
    texts = [one if isinstance(one, str) else json.dumps(one, default=lambda other: np.asarray(other).tolist()) for one in flat]
    return np.array(texts, dtype=str).reshape(found.shape)
