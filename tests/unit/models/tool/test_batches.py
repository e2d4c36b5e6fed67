"""Batches independent of the shards: where their rows are, how many are read, and their conversion to the model's types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from slurmtf.models.tool import batches  # noqa: E402
from slurmtf.models.tool.batches import (  # noqa: E402
    Piece,
    Scorer,
    choose_batch_size,
    choose_block_size,
    compute_batch_range,
    iterate_pieces,
    read_blocks,
)
from slurmtf.models.tool.drawing import Spec  # noqa: E402
from slurmtf.models.tool.feeding import feed_arrays  # noqa: E402


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 7])
def test_shards_hold_every_batch_once_in_order(shards: int) -> None:
    held = [number for shard in range(shards) for number in compute_batch_range(shard, shards, 450, 64)]
    assert held == list(range(8))


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 3, [Piece("a", 0, 3, 0)]),
        (2, 6, [Piece("a", 2, 3, 2), Piece("c", 0, 3, 3)]),  # b is empty
        (3, 5, [Piece("c", 0, 2, 3)]),
        (6, 9, [Piece("c", 3, 4, 6)]),
        (7, 9, []),
    ],
)
def test_rows_are_located_in_their_files(first: int, last: int, expected: list[Piece]) -> None:
    assert list(iterate_pieces([3, 0, 4], ["a", "b", "c"], first, last)) == expected


def test_blocks_span_files_and_have_one_size(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5))
    (tmp_path / "b.csv").write_text("x\n5\n6\n7\n")
    files = [str(tmp_path / "a.npy"), str(tmp_path / "b.csv")]
    found = [[part.piece for part in parts] for parts in read_blocks(list(iterate_pieces([5, 3], files, 1, 8)), 3)]
    assert found == [
        [Piece(files[0], 1, 4, 1)],
        [Piece(files[0], 4, 5, 4), Piece(files[1], 0, 2, 5)],
        [Piece(files[1], 2, 3, 7)],
    ]
    with pytest.raises(ValueError, match="no longer has the rows"):
        list(read_blocks([Piece(files[1], 0, 4, 0)], 4))


@pytest.mark.parametrize(
    ("row_bytes", "total", "expected"),
    [
        (16, 351, 64),  # few rows: leaves some for each shard
        (16, 10**5, 390),
        (16, 10**6, 1024),
        (224 * 224 * 3 * 4, 10**6, 6),  # 4 MiB of images
        (10**9, 10, 1),
        (0, 0, 64),
    ],
)
def test_the_size_of_a_batch_follows_from_that_of_its_rows(row_bytes: int, total: int, expected: int) -> None:
    batch = choose_batch_size(row_bytes, total)
    assert batch == expected
    assert choose_block_size(row_bytes, batch) % batch == 0


@pytest.mark.parametrize(
    ("side", "dtype", "expected"),
    [
        (8, "uint8", [5]),  # small batches: the block at once
        (400, "uint8", [2, 2, 1]),  # large batches: each when it is scored
        (8, "float64", [3, 2]),  # of two types: each file, then joined
        (400, "float64", [2, 1, 1, 1]),
    ],
)
def test_rows_are_converted_to_the_models_types_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, dtype: str, expected: list[int]
) -> None:
    values = np.random.default_rng(1).integers(0, 256, (5, side, side), "uint8")
    files = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    np.save(files[0], values[:3])
    np.save(files[1], values[3:].astype(dtype))
    rows = []

    def counted(arrays: Mapping[str, Any], specs: Mapping[str, Spec]) -> Mapping[str, Any]:
        rows.append(len(next(iter(arrays.values()))))
        return feed_arrays(arrays, specs)

    monkeypatch.setattr(batches, "feed_arrays", counted)
    (parts,) = read_blocks(list(iterate_pieces([3, 2], files, 0, 5)), 5)
    scorer = Scorer(lambda data: {"mean": data["x"].mean(axis=(1, 2))}, {"x": Spec((None, side, side), "float32")})
    good, bad = batches.score_block(parts, scorer, 2, lambda _: None)
    assert (rows, bad) == (expected, [])
    assert [len(one["row"]) for one in good] == [2, 2, 1]
    assert np.array_equal(np.concatenate([one["mean"] for one in good]), values.astype("float32").mean(axis=(1, 2)))
