"""Misleading input files: no number is changed, no row is lost, and errors are reported with their file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from slurmtf.models.tool import scoring  # noqa: E402
from slurmtf.models.tool.drawing import Spec  # noqa: E402
from slurmtf.models.tool.feeding import feed_arrays, feed_records  # noqa: E402
from slurmtf.models.tool.readers import UnreadableError, get_format  # noqa: E402


@pytest.mark.parametrize(
    ("values", "dtype", "why"),
    [
        ([1.0, 1.5], "int32", "1.5 is"),
        ([np.nan, 1.0], "int64", "nan is"),
        ([3_000_000_000], "int32", "3000000000 is"),
        ([-1], "uint8", "-1 is"),
        ([1 + 2j], "float32", "complex"),
        ([1.0, None], "float32", "null"),
        (["a", None], "str", ""),
    ],
)
def test_no_number_is_changed(values: list[Any], dtype: str, why: str) -> None:
    if dtype != "str":
        with pytest.raises(ValueError, match=f"^{why}"):
            feed_arrays({"": np.array(values)}, {"x": Spec((None,), dtype)})
    with pytest.raises((ValueError, TypeError)):
        feed_records([{"x": value} for value in values], {"x": Spec((None,), dtype)})


@pytest.mark.parametrize(("values", "dtype"), [([1.0, 2.0], "int32"), ([7], "uint8"), ([0.1], "float16"), ([2**40], "float32")])
def test_a_number_may_be_rounded_to_its_type(values: list[Any], dtype: str) -> None:
    found = feed_arrays({"": np.array(values)}, {"x": Spec((None,), dtype)})["x"]
    assert (found.dtype, found.tolist()) == (np.dtype(dtype), np.array(values, dtype).tolist())


@pytest.mark.parametrize(
    ("heading", "why"),
    [
        ("a,b", ""),
        ("0,1", ""),
        ("a,1", ""),
        ("1,2", "numbers"),
        ("0.5,nan", "numbers"),
        ("a,a", "one name: a"),
        ("7", "numbers"),
    ],
)
def test_rows_and_columns_are_not_confused(heading: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{heading}\n{heading}\n")
    if not why:
        assert get_format("a.csv").count(str(path)) == 1
        return
    with pytest.raises(UnreadableError, match=why):
        get_format("a.csv").count(str(path))


@pytest.mark.parametrize(
    ("shape", "held"), [((10**12, 4), 16), ((4, 10**12), 0), ((10**12, 10**12), 0), ((-5, 4), 160), ((5, -4), 160)]
)
def test_a_truncated_array_is_reported_before_scoring(shape: tuple[int, ...], held: int, tmp_path: Path) -> None:
    face = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_2_0(file, face)
        file.write(b"x" * held)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(tmp_path / "x.npy", "x.npy")
    for name in ("x.npy", "x.npz"):
        with pytest.raises(ValueError, match="middle"):
            get_format(name).count(str(tmp_path / name))


@pytest.mark.parametrize(
    ("specs", "batch", "fits"),
    [
        (None, 7, True),
        ({"x": Spec((None, 4), "float32")}, 7, True),
        ({"x": Spec((7, 4), "float32"), "y": Spec((None, 4), "float32")}, 7, True),
        ({"x": Spec((7, 4), "float32")}, 1, False),
        ({}, 7, False),
    ],
)
def test_a_model_with_another_batch_size_or_no_inputs_is_refused(specs: Any, batch: int, fits: bool) -> None:
    if fits:
        scoring.check_batch(specs, batch)
        return
    with pytest.raises(scoring.BatchError, match=r"--batch 7|no inputs"):
        scoring.check_batch(specs, batch)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("torn")])
def test_an_unreadable_row_is_reported_with_its_file(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "rows.npy", np.ones(3))
    (tmp_path / "plan.json").write_text(json.dumps({"files": [str(tmp_path / "rows.npy")], "asked_batch": None}))

    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(scoring, "estimate_size", fail)
    assert scoring.count(str(tmp_path / "plan.json")) == 1
    answer = json.loads((tmp_path / "plan.json.counts").read_text())
    assert list(answer["unreadable"]) == [str(tmp_path / "rows.npy")]
