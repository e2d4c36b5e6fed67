"""Rows of files, batches independent of the shards, and named bad rows."""

from __future__ import annotations

import errno
import json
import os
import struct
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from slurmtf.errors import InputError  # noqa: E402
from slurmtf.models.scoring import ScoringFailedError, _check_done, _Progress, find_files, read_progress  # noqa: E402
from slurmtf.models.tool import batches, results, scoring  # noqa: E402
from slurmtf.models.tool.batches import Piece, Scorer, iterate_pieces, read_blocks  # noqa: E402
from slurmtf.models.tool.drawing import Spec  # noqa: E402
from slurmtf.models.tool.feeding import feed_arrays, feed_record, feed_records  # noqa: E402
from slurmtf.models.tool.readers import BadRow, UnreadableError, get_format  # noqa: E402
from slurmtf.models.tool.results import concatenate  # noqa: E402
from slurmtf.models.tool.scorers import ModelChangedError, ScriptError, infer_failure_kind  # noqa: E402
from slurmtf.models.tool.scoring import _note_failure  # noqa: E402
from slurmtf.submit.tools import ElementEnd  # noqa: E402
from tests.unit.support import tells  # noqa: E402


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = b""
    while value >= 128:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def message(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def example(**features: list[Any]) -> bytes:
    """Return a tf.train.Example, by its definition (tensorflow/core/example/feature.proto)."""
    entries = b""
    for name, values in features.items():
        if isinstance(values[0], float):
            kind, body = 2, message(1, struct.pack(f"<{len(values)}f", *values))
        elif isinstance(values[0], int):
            kind, body = 3, message(1, b"".join(map(varint, values)))
        else:
            kind, body = 1, b"".join(message(1, value) for value in values)
        entries += message(1, message(1, name.encode()) + message(2, message(kind, body)))
    return message(1, entries)


def tfrecord(path: Path, *records: bytes) -> Path:
    path.write_bytes(b"".join(struct.pack("<QI", len(one), 0) + one + b"\0\0\0\0" for one in records))
    return path


def test_records_of_tensorflow_are_read(tmp_path: Path) -> None:
    first = example(x=[1.5, -2.0], n=[3, -1], t=[b"red", b"blue"])
    path = str(tfrecord(tmp_path / "a.tfrecord", first, b"\xff\xff\xff", example(x=[0.0, 0.5])))
    form = get_format(path)
    assert form.count(path) == 3
    good, bad, other = form.rows(path, 0)(3)
    assert isinstance(bad, BadRow)
    assert [good, other] == [
        {"x": [1.5, -2.0], "n": [3, -1], "t": [b"red", b"blue"]},
        {"x": [0.0, 0.5]},
    ]


def test_a_truncated_file_is_reported(tmp_path: Path) -> None:
    path = tfrecord(tmp_path / "a.tfrecord", example(x=[1.0]))
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(ValueError, match="middle"):
        get_format(str(path)).count(str(path))
    with pytest.raises(UnreadableError, match="none of the formats"):
        get_format("a.zip")


def test_tables_and_arrays_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3\n\n4,5\n")
    np.save(tmp_path / "a.npy", np.arange(6).reshape(3, 2))
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.arange(3) * 2)
    np.savez(tmp_path / "bad.npz", x=np.arange(3), y=np.arange(4))
    table, array, arrays = (str(tmp_path / name) for name in ("a.csv", "a.npy", "a.npz"))
    assert get_format(table).rows(table, 0)(9) == [{"x": "1", "y": "2"}, BadRow("has 1 fields, not 2"), {"x": "4", "y": "5"}]
    assert [get_format(path).count(path) for path in (table, array, arrays)] == [3, 3, 3]
    found = get_format(array).rows(array, 1)(2)
    assert isinstance(found, dict)
    assert found[""].tolist() == [[2, 3], [4, 5]]
    both = get_format(arrays).rows(arrays, 2)(1)
    assert isinstance(both, dict)
    assert {name: values.tolist() for name, values in both.items()} == {"x": [2], "y": [4]}
    with pytest.raises(UnreadableError, match="differ in length"):
        get_format("x.npz").count(str(tmp_path / "bad.npz"))


@pytest.mark.parametrize("start", [0, 5])
def test_arrays_of_any_form_are_read_from_any_row(tmp_path: Path, start: int) -> None:
    values = {"x": np.arange(48.0).reshape(8, 3, 2), "t": np.array(["a", "bb"] * 4), "n": np.arange(8, dtype=">i2")}
    np.savez(tmp_path / "plain.npz", **values)
    np.savez_compressed(tmp_path / "small.npz", **values)
    np.save(tmp_path / "columns.npy", np.asfortranarray(values["x"]))
    by_column = {"before": values["n"], "x": np.asfortranarray(values["x"]), "t": np.asfortranarray(values["t"][:, None])}
    np.savez(tmp_path / "columns.npz", **by_column)
    np.savez_compressed(tmp_path / "small-columns.npz", **by_column)
    files = {"plain.npz": values, "small.npz": values, "columns.npy": {"": values["x"]}}
    for name, expected in {**files, "columns.npz": by_column, "small-columns.npz": by_column}.items():
        take = get_format(name).rows(str(tmp_path / name), start)
        first, second = take(1), take(2)
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        for key, all_rows in expected.items():
            assert first[key].tolist() == all_rows[start : start + 1].tolist()
            assert second[key].tolist() == all_rows[start + 1 : start + 3].tolist()


def test_a_file_without_rows_is_reported(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.float32(1))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "torn.npy", np.arange(100))
    with (tmp_path / "torn.npy").open("r+b") as file:
        file.truncate(500)
    for name, why in (("one.npy", "no rows"), ("objects.npy", "Python objects")):
        with pytest.raises(ValueError, match=why):
            get_format(name).count(str(tmp_path / name))
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.ones((50, 2))))
    with (tmp_path / "columns.npy").open("r+b") as file:
        file.truncate(900)
    for name, rows in (("torn.npy", 100), ("columns.npy", 50)):
        with pytest.raises(ValueError, match="middle"):
            get_format(name).rows(str(tmp_path / name), 0)(rows)


PAIR = {"x": Spec((None, 2), "float32")}


@pytest.mark.parametrize(
    ("records", "specs"),
    [
        ([{"a": "1.5", "b": "0.1"}, {"a": "3e-8", "b": "16777217"}], PAIR),
        ([{"x": [1.0, 2.0]}, {"x": [3.0, 4.0]}], PAIR),
        ([{"n": "3"}, {"n": "-4"}], {"n": Spec((None,), "int64")}),
        ([{f"p{n}": n for n in range(4)}] * 2, {"image": Spec((None, 2, 2, 1), "float32")}),
        ([{"a": 1, "b": True}, {"a": 2, "b": False}], {"a": Spec((None, 1), "int64"), "b": Spec((None,), "float32")}),
        ([{"a": "3", "b": "x"}], {"a": Spec((None, 1), "int64"), "b": Spec((None, 1), "str")}),
        ([{"": np.zeros((2, 2), np.uint8)}, {"": np.ones((2, 2), np.uint8)}], {"i": Spec((None, 2, 2, 1), "float32")}),
    ],
)
def test_a_batch_of_records_equals_the_single_records(records: list[Any], specs: dict[str, Spec]) -> None:
    together, alone = feed_records(records, specs), [feed_record(record, specs) for record in records]
    for name, values in together.items():
        assert values.dtype == alone[0][name].dtype
        assert values.tolist() == np.concatenate([one[name] for one in alone]).tolist()


def test_records_become_inputs() -> None:
    assert feed_record({"a": "1.5", "b": "2"}, PAIR)["x"].tolist() == [[1.5, 2.0]]  # the columns of a table, in order
    assert feed_record({"x": [1.0, 2.0], "label": [7]}, PAIR)["x"].tolist() == [[1.0, 2.0]]
    flat = feed_record({"image": [1.0] * 6}, {"image": Spec((None, 2, 3, 1), "float32")})
    assert flat["image"].shape == (1, 2, 3, 1)
    text = feed_record({"word": [b"red"]}, {"word": Spec((None, 1), "str")})
    assert text["word"].tolist() == [["red"]]
    two = feed_record({"a": "3", "b": "x"}, {"a": Spec((None, 1), "int64"), "b": Spec((None, 1), "str")})
    assert (two["a"].tolist(), two["b"].tolist()) == ([[3]], [["x"]])


@pytest.mark.parametrize("record", [{"a": "one", "b": "2"}, {"a": "1"}, BadRow("torn"), {"a": 1, "b": 2, "c": 3}])
def test_bad_records_are_reported(record: Any) -> None:
    with pytest.raises(ValueError, match=r"one|shape|torn|has no"):
        feed_record(record, PAIR)


@pytest.mark.parametrize(("dtype", "value"), [("float32", "x"), ("int64", "1.5")])
def test_a_text_that_is_no_number_is_shown_as_in_the_file(dtype: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^'{value}' is not a {dtype}$"):
        feed_record({"a": "2", "b": value}, {"x": Spec((None, 2), dtype)})


def test_arrays_of_the_wrong_shape_are_reported() -> None:
    with pytest.raises(ValueError, match=r"x has the shape \(3,\), and the model takes \(2\)"):
        feed_arrays({"": np.zeros((4, 3))}, PAIR)
    with pytest.raises(ValueError, match="has no z; it has x, y"):
        feed_arrays({"x": np.zeros(1), "y": np.zeros(1)}, {"z": Spec((None,), "float32"), "x": Spec((None,), "float32")})
    assert feed_arrays({"grey": np.zeros((2, 8, 8))}, {"i": Spec((None, 8, 8, 1), "float32")})["i"].shape == (2, 8, 8, 1)


def doubled(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    if (inputs["x"] < 0).any():
        raise ValueError("negative")
    return {"y": inputs["x"] * 2}


def scored(folder: Path, files: list[Path], shards: int, rejects: bool = False) -> dict[str, Any]:
    """Run `tool.pyz count`, `score` and `merge` with a model that doubles its input."""
    (folder / "shards").mkdir(parents=True)
    own = {"asked_batch": 4, "rejects": rejects, "folder": str(folder), "shards": shards}
    plan: dict[str, Any] = {"files": [str(file) for file in files], **own}
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    assert scoring.count(str(path)) == 0
    plan.update(json.loads(Path(f"{path}.counts").read_text()))
    path.write_text(json.dumps(plan))
    codes = [scoring._score(plan, shard, Scorer(doubled, {"x": Spec((None,), "float32")})) for shard in range(shards)]
    if any(codes):
        return {"codes": codes}
    scoring.merge(str(path))
    with np.load(folder / "scores.npz") as held:
        return {name: held[name].tolist() for name in held.files}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    np.save(tmp_path / "a.npy", np.arange(7))
    (tmp_path / "b.csv").write_text("x\n7\n8\n")
    np.savez(tmp_path / "c.npz", x=np.arange(9, 20))
    return [tmp_path / name for name in ("a.npy", "b.csv", "c.npz")]


@pytest.mark.parametrize("shards", [1, 2, 3, 5])
def test_scores_are_in_order_for_any_number_of_shards(files: list[Path], shards: int, tmp_path: Path) -> None:
    assert scored(tmp_path / "out", files, shards) == {"row": list(range(20)), "y": [2.0 * row for row in range(20)]}


def test_a_bad_row_ends_its_shard_and_is_named(files: list[Path], tmp_path: Path) -> None:
    files[1].write_text("x\n7\nseven\n")
    assert scored(tmp_path / "out", files, 5)["codes"] == [0, 0, 1, 0, 0]
    failed = json.loads((tmp_path / "out/shards/00002.failed").read_text())
    assert (failed["file"], failed["row"]) == (str(files[1]), 1)
    assert "seven" in failed["why"]
    assert sorted(path.name for path in (tmp_path / "out/shards").glob("*.npz")) == [f"0000{n}.npz" for n in (0, 1, 3, 4)]


def test_a_bad_row_may_be_written_to_the_rejects(files: list[Path], tmp_path: Path) -> None:
    files[1].write_text("x\n7\nseven\n")
    np.savez(files[2], x=np.array([9, -10, 11]))
    found = scored(tmp_path / "out", files, 2, rejects=True)
    assert found["row"] == [0, 1, 2, 3, 4, 5, 6, 7, 9, 11]
    assert found["y"] == [2.0 * row for row in found["row"]]
    rejects = [json.loads(line) for line in (tmp_path / "out/rejects.jsonl").read_text().splitlines()]
    assert [(one["file"], one["row"]) for one in rejects] == [(str(files[1]), 1), (str(files[2]), 1)]
    assert rejects[1]["why"] == "negative"


def test_progress_counts_running_shards(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for name, facts in (("00000.json", {"rows": 10}), ("00001.at", {"rows": 4})):
        (tmp_path / "shards" / name).write_text(json.dumps(facts))
    assert read_progress(tmp_path, 3) == (1, 14)


def test_progress_is_printed_only_if_there_is_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shards").mkdir()
    clock = iter((0.0, 10.0, 1000.0, 1001.0, 1010.0, 1020.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    lines: list[str] = []
    tick = _Progress(tmp_path, {"shards": 2, "counts": [60, 60]}, lines.append)
    tick()
    tick()  # both in the queue
    (tmp_path / "shards/00000.at").write_text('{"rows": 30}')
    tick()  # too soon
    tick()
    tick()
    assert [line.split(", ")[:2] for line in lines] == [["0 of 2 shards", "30 of 120 rows"]]
    assert ", 3 rows" in lines[0]


def test_shards_with_the_same_failure_are_reported_together_each_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    logs = {shard: tmp_path / f"score-7_{shard}.log" for shard in range(10)}
    ends = {shard: ElementEnd(log, "FAILED, exit code 137" * (shard == 8)) for shard, log in logs.items()}
    for shard in range(7):
        facts = {"file": "", "row": -1, "why": "ModuleNotFoundError: No module named 'six'", "kind": "module"}
        (tmp_path / f"shards/{shard:05d}.failed").write_text(json.dumps(facts))
    (tmp_path / "shards/00007.json").write_text("{}")
    logs[8].write_text("loading\nslurmstepd: error: *** JOB 7 ON node1 CANCELLED ***\n")
    with pytest.raises(ScoringFailedError) as caught:
        _check_done(tmp_path, {"shards": 10}, ends)
    several, canceled, never = caught.value.findings
    assert (several.where, several.what) == ("shards 0, 1, 2, 3, 4 and 2 more", "ModuleNotFoundError: No module named 'six'")
    assert "--pip" in several.remedy
    assert tells(several, f" shard 0: {logs[0]}", " 1 of 10 shards ")
    assert (canceled.where, canceled.what.endswith("CANCELLED ***")) == ("shard 8", True)
    assert tells(canceled, "FAILED, exit code 137", "loading", str(logs[8]))
    assert "never started" in never.what


@pytest.mark.parametrize(("why", "kind"), [("ModuleNotFoundError: No module named 'six'", "module"), ("KeyError: 'x'", "")])
def test_a_failed_script_is_reported_once_with_its_line_and_remedy(tmp_path: Path, why: str, kind: str) -> None:
    (tmp_path / "shards").mkdir()
    for shard in range(3):
        facts = {"file": "", "row": -1, "why": why, "kind": kind, "script": "mine.py:7"}
        (tmp_path / f"shards/{shard:05d}.failed").write_text(json.dumps(facts))
    with pytest.raises(ScoringFailedError) as caught:
        _check_done(tmp_path, {"shards": 3}, dict.fromkeys(range(3), ElementEnd(tmp_path / "tool.log")))
    (finding,) = caught.value.findings
    assert (finding.code, finding.where, finding.what) == ("bad-script", "mine.py:7", why)
    assert tells(finding, "--output", str(tmp_path / "tool.log"))
    assert ("--pip" in finding.remedy) == why.startswith("Module")


@pytest.mark.parametrize(
    ("err", "elsewhere"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), True),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), True),
        (OSError(errno.EIO, os.strerror(errno.EIO)), False),
        (ModelChangedError("net.onnx"), True),
        (ValueError("ModelChangedError"), False),
    ],
)
def test_another_output_folder_is_suggested_if_it_helps_a_failed_shard(tmp_path: Path, err: Exception, elsewhere: bool) -> None:
    (tmp_path / "shards").mkdir()
    _note_failure({"folder": str(tmp_path)}, 0, err)
    with pytest.raises(ScoringFailedError) as caught:
        _check_done(tmp_path, {"shards": 1}, {0: ElementEnd(tmp_path / "tool.log")})
    (finding,) = caught.value.findings
    assert (finding.where, finding.what) == ("shard 0", f"{type(err).__name__}: {err}")
    assert ("--output" in finding.remedy) == elsewhere


def test_the_kind_of_failure_follows_from_the_scripts_exception() -> None:
    assert infer_failure_kind(ScriptError("mine.py:1", "no module", ModuleNotFoundError("six"))) == "module"
    assert infer_failure_kind(ScriptError("mine.py:1", "ModuleNotFoundError: six", KeyError("x"))) == ""


def test_files_are_ordered_and_complete(tmp_path: Path) -> None:
    for name in ("b.npy", "a.npy", ".hidden.npy"):
        (tmp_path / name).touch()
    expected = [tmp_path / "a.npy", tmp_path / "b.npy"]
    assert find_files([str(tmp_path / "*.npy"), str(tmp_path / "a.npy")]) == find_files([str(tmp_path)]) == expected
    with pytest.raises(InputError) as caught:
        find_files([str(tmp_path / "*.csv")])
    assert caught.value.findings[0].code == "no-input"


def written(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_scores_beyond_the_memory_limit_are_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "HELD_BYTES", 50)
    found = results.Results(tmp_path / "00000.npz")
    for number in range(10):
        found.add({"row": np.array([2 * number, 2 * number + 1]), "t": np.array(["a" * number, "b"])})
    assert len(list(tmp_path.glob("*.part-*"))) == 7
    found.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["00000.npz"]
    with np.load(tmp_path / "00000.npz") as held:
        assert held["row"].tolist() == list(range(20))
        assert held["t"].tolist() == [text for number in range(10) for text in ("a" * number, "b")]


def test_parts_that_do_not_fit_together_are_reported(tmp_path: Path) -> None:
    first = written(tmp_path / "a.npz", row=np.arange(2), y=np.zeros((2, 3)))
    empty = written(tmp_path / "b.npz", row=np.arange(0))
    for other, why in (({"y": np.zeros((1, 4))}, "different shapes"), ({"z": np.zeros((1, 3))}, "different names")):
        with pytest.raises(ValueError, match=why):
            concatenate([first, empty, written(tmp_path / "c.npz", row=np.arange(1), **other)], tmp_path / "all.npz")
    assert not (tmp_path / "all.npz").exists()
    concatenate([empty, first], tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as held:
        assert held["y"].shape == (2, 3)


@pytest.mark.parametrize("name", ["rows.npz", "rows.npy", "rows.csv", "columns.npz", "columns.npy"])
def test_a_file_is_not_read_into_memory_as_a_whole(tmp_path: Path, name: str) -> None:
    values = np.zeros((2_000_000, 8), np.float32, order="F" if name.startswith("columns") else "C")  # 64 MB
    if name.endswith("csv"):
        (tmp_path / name).write_text("a\n" + "1\n" * 200_000)
    elif name.endswith("npy"):
        np.save(tmp_path / name, values)
    else:
        np.savez_compressed(tmp_path / name, x=values)
    del values
    tracemalloc.start()
    try:
        take = get_format(name).rows(str(tmp_path / name), 190_000)
        assert len(take(1000)) in (1, 1000)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000  # zipfile skips in steps of 16 MB
    finally:
        tracemalloc.stop()


def test_a_script_sees_the_same_types_for_any_number_of_shards(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4))
    np.save(tmp_path / "b.npy", np.arange(4) + 0.5)
    files = [str(tmp_path / name) for name in ("a.npy", "b.npy")]
    scorer = Scorer(lambda data: {"y": np.array([str(data.dtype)] * len(data))}, None)
    together = list(read_blocks(list(iterate_pieces([4, 4], files, 0, 8)), 8))
    alone = list(read_blocks(list(iterate_pieces([4, 4], files, 0, 8)), 4))
    for found in (together, alone):
        good = [one["y"].tolist() for parts in found for one in batches.score_block(parts, scorer, 4, lambda rows: None)[0]]
        assert good == [["int64"] * 4, ["float64"] * 4]


@pytest.mark.parametrize(("first", "rows", "dtype"), [(0, 3, "int32"), (2**31 - 3, 3, "int32"), (2**31 - 3, 4, "int64")])
def test_row_numbers_use_the_smallest_type(first: int, rows: int, dtype: str) -> None:
    found = batches._number_rows(first, rows)
    assert (str(found.dtype), found.tolist()) == (dtype, list(range(first, first + rows)))


def test_each_finished_batch_is_reported(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(10))
    (parts,) = read_blocks([Piece(str(tmp_path / "a.npy"), 0, 10, 0)], 100)
    reported: list[int] = []
    batches.score_block(parts, Scorer(doubled, {"x": Spec((None,), "float32")}), 4, reported.append)
    assert reported == [4, 4, 2]
