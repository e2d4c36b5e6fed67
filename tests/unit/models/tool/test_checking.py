"""What counts as the same answer, and the inputs of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from slurmtf.models.tool.checking import Model, RejectedError, UnverifiableError, _try_inputs, compute_difference  # noqa: E402
from slurmtf.models.tool.drawing import Spec, draw_inputs, take_samples  # noqa: E402

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("found", "expected", "largest"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.00005, 2.0], [1.0, 2.0], 5e-5),
        ([1000.05], [1000.0], 0.05),  # relative to its magnitude
        ([NAN, INF, 1.0], [NAN, INF, 1.0], 0.0),
        ([], [], 0.0),
    ],
)
def test_close_answers_agree(found: list[float], expected: list[float], largest: float) -> None:
    assert compute_difference(np.array(found), np.array(expected), 1e-4, "y") == pytest.approx(largest, rel=1e-3)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([1.001], [1.0]),
        ([NAN], [1.0]),
        ([1.0], [NAN]),
        ([INF], [-INF]),
        ([[1.0]], [1.0]),
        ([1, 2], [1, 3]),
        ([True], [False]),
        (np.array(["a"], object), np.array([b"b"], object)),
    ],
)
def test_different_answers_do_not_agree(found: Any, expected: Any) -> None:
    with pytest.raises(RejectedError, match="y at batch 3"):
        compute_difference(np.asarray(found), np.asarray(expected), 1e-4, "y at batch 3")


def test_texts_agree_whether_bytes_or_text() -> None:
    assert compute_difference(np.array(["ü"], object), np.array(["ü".encode()], object), 1e-4, "y") == 0.0


def test_inputs_of_every_dtype_are_seeded_and_use_values_of_tables() -> None:
    specs = {kind: Spec((None, 4), kind) for kind in ("float32", "float16", "int32", "uint8", "bool", "str")}
    first, again = (next(draw_inputs(specs, 64, {"str": ["red"], "int": [1000, 7]})) for _ in range(2))
    assert {name: value.shape for name, value in first.items()} == dict.fromkeys(specs, (64, 4))
    assert all(np.array_equal(first[name], again[name]) for name in specs)
    assert "red" in first["str"]
    assert 1000 in first["int32"]
    assert 1000 not in first["uint8"]


def test_free_dimensions_differ_from_batch_to_batch() -> None:
    specs = {"x": Spec((None, None, 3), "float32")}
    assert [next(draw_inputs(specs, batch, {}))["x"].shape for batch in (1, 3, 64)] == [(1, 5, 3), (3, 7, 3), (64, 6, 3)]


def test_samples_are_repeated_and_a_missing_one_is_named() -> None:
    specs = {"x": Spec((None, 2), "float32")}
    assert take_samples(specs, 3, {"x": np.array([[1, 2], [3, 4]])})["x"].tolist() == [[1, 2], [3, 4], [1, 2]]
    with pytest.raises(ValueError, match="have no x; they have y"):
        take_samples(specs, 1, {"y": np.zeros(1)})


def model(call: Any) -> Model:
    return Model({"x": Spec((None,), "int32")}, call, {})


def test_inputs_that_the_model_rejects_are_drawn_again() -> None:
    def call(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if inputs["x"].max() > 7:
            raise IndexError("out of range")
        return {"y": inputs["x"]}

    inputs, answer = _try_inputs(model(call), 64, None)
    assert 2 < inputs["x"].max() <= 7
    assert np.array_equal(answer["y"], inputs["x"])


def test_a_model_that_can_not_be_run_is_not_verified() -> None:
    def fails(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ValueError("no such thing")

    with pytest.raises(UnverifiableError, match="no such thing"):
        _try_inputs(model(fails), 1, None)
    with pytest.raises(UnverifiableError, match="random"):
        _try_inputs(model(lambda inputs: {"y": np.random.rand(3)}), 1, None)
    with pytest.raises(UnverifiableError, match="NaN"):
        _try_inputs(model(lambda inputs: {"y": np.full(3, NAN)}), 1, None)
