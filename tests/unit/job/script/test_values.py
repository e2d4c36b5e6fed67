"""What may be logged: numbers and strings of any library; and the errors for anything else."""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from slurmtf.job.script import values


class Array:
    """What numpy's arrays and scalars have in common."""

    def __init__(self, *items: Any, shape: tuple[int, ...] | None = None) -> None:
        self._items = items
        self.shape = (len(items),) if shape is None else shape

    def item(self) -> Any:
        if len(self._items) != 1:
            raise ValueError("can only convert an array of size 1")
        return self._items[0]

    def tolist(self) -> Any:
        return list(self._items) if self.shape else self._items[0]

    def __iter__(self) -> Any:
        return iter(self._items)


class Tensor:
    """What an eager tensor of TensorFlow and a variable of Keras have in common."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def numpy(self) -> Any:
        return self._array


class Symbol:
    """A tensor of a graph: it has no value."""

    graph = object()

    def __float__(self) -> float:
        raise NotImplementedError


class Own(float):
    """A subclass of float, as numpy.float64 is."""


class Color(enum.IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (1, 1),
        (0.5, 0.5),
        ("text", "text"),
        (True, True),
        (math.inf, math.inf),
        (Own(0.5), 0.5),
        (Color.RED, 3),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 2), 0.5),
        (Array(0.5, shape=()), 0.5),
        (Array(3), 3),
        (Tensor(Array(0.5, shape=())), 0.5),
        (Tensor(b"caf\xc3\xa9"), "café"),
        (10**30, 10**30),
    ],
)
def test_numbers_and_strings_are_converted(value: Any, plain: Any) -> None:
    found = values.to_scalar("loss", value)
    assert (found, type(found)) == (plain, type(plain))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "NoneType"),
        (b"1.5", "bytes"),
        (1j, "complex"),
        (Array(1j), "Array"),
        ([1, 2], "log_list"),
        (range(3), "log_list"),
        ((x for x in (1, 2)), "log_list"),
        (Array(1, 2), "shape (2,)"),
        ({"a": 1}, "log_row"),
        (Symbol(), "tf.function"),
        (object(), "object"),
        (print, "builtin_function"),
    ],
)
def test_other_values_raise_an_error_with_name_and_type(value: Any, message: str) -> None:
    with pytest.raises(TypeError, match="'val loss'") as caught:
        values.to_scalar("val loss", value)
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [10**400, -(10**400), Array(10**400), Fraction(10**400)])
def test_numbers_that_no_float_holds_raise_an_error_with_the_name(value: Any) -> None:
    for log in (values.to_scalar, lambda name, value: values.to_list(name, [1, value])):
        with pytest.raises((ValueError, TypeError), match="'val loss'"):
            log("val loss", value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ([1, 0.5, "a"], [1, 0.5, "a"]),
        ((), []),
        (range(3), [0, 1, 2]),
        ((x for x in (1, 2)), [1, 2]),
        (Array(1, 2), [1, 2]),
        (Tensor(Array(1, 2)), [1, 2]),
        ([Array(0.5, shape=()), Own(1)], [0.5, 1.0]),
    ],
)
def test_lists_are_converted(value: Any, plain: Any) -> None:
    assert values.to_list("l", value) == plain


@pytest.mark.parametrize("value", [1, "text", b"ab", {"a": 1}, None, [[1]], [None], Array(1, shape=())])
def test_values_that_are_no_list_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="'l'"):
        values.to_list("l", value)


def test_tables_and_rows_are_converted() -> None:
    assert values.to_table("t", {"x": Array(1, 2), "y": ["a"]}) == {"x": [1, 2], "y": ["a"]}
    assert values.to_row("r", {"x": Array(1), "y": "a"}) == {"x": 1, "y": "a"}


@pytest.mark.parametrize("value", [[1], {"x": 1}, {1: [1]}, {"x": [[1]]}, None])
def test_values_that_are_no_table_are_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        values.to_table("t", value)


@pytest.mark.parametrize(
    ("step", "plain"), [(None, None), (3, 3), (Color.RED, 3), (Tensor(Array(7, shape=())), 7), (Array(7, shape=()), 7)]
)
def test_steps_are_converted(step: Any, plain: Any) -> None:
    assert values.to_step("loss", step) == plain


@pytest.mark.parametrize("step", ["3", 1.5, 2.0, [1], Array(0.5), Tensor(Array(0.5)), b"1"])
def test_values_that_are_no_step_are_refused(step: Any) -> None:
    with pytest.raises(TypeError, match="step"):
        values.to_step("loss", step)


@pytest.mark.parametrize("step", [2**63, -(2**63), 10**400, Array(2**63, shape=())])
def test_steps_beyond_64_bits_are_refused(step: Any) -> None:
    with pytest.raises(ValueError, match="'loss': the step"):
        values.to_step("loss", step)


MATRIX = {"schema_type": "confusion_matrix", "schema_version": "1.0.0", "data": {"matrix": Array(1, 2)}}


def test_documents_are_converted() -> None:
    assert values.to_document("m", MATRIX, "confusion_matrix") == {**MATRIX, "data": {"matrix": [1, 2]}}
    text = '{"schema_type": "residuals", "schema_version": "1", "data": {"edges": null}}'
    assert values.to_document("m", text, "residuals")["data"] == {"edges": None}


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("[]", TypeError, "list"),
        ("{", ValueError, "Expecting"),
        ({"data": 1}, ValueError, "lacks schema_type, schema_version"),
        ("nope", ValueError, "JSON object"),
        ({**MATRIX, "schema_type": "residuals"}, ValueError, "'residuals'"),
        ({**MATRIX, "data": object()}, TypeError, "object"),
    ],
)
def test_values_that_are_no_document_are_refused(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        values.to_document("m", value, "confusion_matrix")
