"""Check that an ONNX file agrees with the model: run them with onnxruntime and TensorFlow on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .drawing import BATCHES, Spec, draw_inputs, take_samples
from .interchange import Arrays

TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(string)": "str",
    "tensor(bool)": "bool",
}
"""onnxruntime's names of types where they are not numpy's."""


class RejectedError(Exception):
    """The file does not match the model; the message says why."""


class UnverifiableError(Exception):
    """The model itself can't be run; the message says why."""


class Model(NamedTuple):
    """A model to compare with: its inputs, and its results. ``known`` are its constants, see :func:`draw_inputs`."""

    inputs: Mapping[str, Spec]
    call: Callable[[Arrays], Arrays]
    known: Mapping[str, Sequence[object]]


def verify(path: str, model: Model, tolerance: float, samples: Arrays | None = None) -> dict[str, object]:
    """Compare a file with its model, and return the figures. Raises RejectedError, or UnverifiableError.

    ``tolerance``: the largest difference between two results, relative to 1 + their magnitude. Integers, texts and booleans
    must be equal.
    """
    session = _open_session(path)
    _check_inputs(session, model.inputs)
    batches = BATCHES if not any(spec.is_fixed for spec in model.inputs.values()) else BATCHES[:1]
    largest: dict[str, float] = {}
    for batch in batches:
        inputs, expected = _try_inputs(model, batch, samples)
        for name, difference in _compare(session, inputs, expected, tolerance, batch).items():
            largest[name] = max(difference, largest.get(name, 0.0))
    return {
        "batches": list(batches),
        "inputs": "samples" if samples is not None else "drawn",
        "tolerance": tolerance,
        "largest_difference": max(largest.values(), default=0.0),
        "outputs": largest,
    }


def _open_session(path: str) -> object:
    import onnxruntime  # noqa: PLC0415 - a file that is not run is never called good

    onnxruntime.set_default_logger_severity(4)
    try:
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as err:  # its exceptions have no other common class
        raise RejectedError(f"onnxruntime refuses it: {_summarize_error(err).replace(path, 'the file')}") from None


def _check_inputs(session: Any, inputs: Mapping[str, Spec]) -> None:
    found = {one.name: TYPES.get(one.type, one.type.removeprefix("tensor(").removesuffix(")")) for one in session.get_inputs()}
    if found.keys() != inputs.keys():
        raise RejectedError(f"its inputs are {', '.join(found) or 'none'}; the model's are {', '.join(inputs)}")
    wrong = [f"{name} as {found[name]}, not {spec.dtype}" for name, spec in inputs.items() if found[name] != spec.dtype]
    if wrong:
        raise RejectedError(f"it takes {', '.join(wrong)}")


def _try_inputs(model: Model, batch: int, samples: Arrays | None) -> tuple[Arrays, Arrays]:
    """Return inputs that the model accepts, and its results. Raises UnverifiableError."""
    tries = (
        [take_samples(model.inputs, batch, samples)] if samples is not None else draw_inputs(model.inputs, batch, model.known)
    )
    why = ""
    for inputs in tries:
        try:
            first, second = model.call(inputs), model.call(inputs)
        except Exception as err:  # TensorFlow's: out of range, too small an image ...
            why = why or _summarize_error(err)
            continue
        if any(not _is_equal(first[name], second[name]) for name in first):
            raise UnverifiableError("TensorFlow's own results differ from call to call: the model draws random numbers")
        if any(value.dtype.kind == "f" and value.size and np.isnan(value).all() for value in first.values()):
            raise UnverifiableError("TensorFlow returns only NaN: there is nothing to compare")
        return inputs, first
    raise UnverifiableError(f"TensorFlow can't run the model on the inputs drawn for it ({why})")


def _is_equal(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _compare(session: Any, inputs: Arrays, expected: Arrays, tolerance: float, batch: int) -> dict[str, float]:
    names = [one.name for one in session.get_outputs()]
    try:
        answers = dict(zip(names, session.run(None, dict(inputs)), strict=True))
    except Exception as err:  # onnxruntime's
        raise RejectedError(f"onnxruntime fails at batch {batch}: {_summarize_error(err)}") from None
    if names and answers.keys() != expected.keys():
        if len(answers) != len(expected):
            raise RejectedError(f"its outputs are {', '.join(names)}; the model's are {', '.join(expected)}")
        answers = dict(zip(expected, answers.values(), strict=True))
    return {name: compute_difference(answers[name], expected[name], tolerance, f"{name} at batch {batch}") for name in expected}


def compute_difference(found: Any, expected: Any, tolerance: float, where: str) -> float:
    """Return the largest absolute difference of two results. Raises RejectedError if they don't agree."""
    if found.shape != expected.shape:
        raise RejectedError(f"{where} has the shape {found.shape}, not {expected.shape}")
    if expected.dtype.kind not in "fc":
        if _decode_texts(found) != _decode_texts(expected):
            raise RejectedError(f"{where} differs in {_count_unequal(found, expected)} of {expected.size} values")
        return 0.0
    one, other = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(one) & np.isfinite(other)
    apart = np.abs(np.subtract(one, other, where=finite, out=np.zeros_like(other)))
    special = ~finite & ~(_test_both(np.isnan, one, other) | (one == other))
    wrong = special | (apart > tolerance * (1 + np.abs(np.where(finite, other, 0))))
    if wrong.any():
        raise RejectedError(
            f"{where} differs in {int(wrong.sum())} of {wrong.size} values, by {float(apart.max()):.3g} at most"
        )
    return float(apart.max(initial=0.0))


def _test_both(test: Callable[[Any], Any], one: object, other: object) -> object:
    return test(one) & test(other)


def _decode_texts(values: Any) -> list[object]:
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in values.ravel().tolist()]


def _count_unequal(found: object, expected: object) -> int:
    return sum(one != other for one, other in zip(_decode_texts(found), _decode_texts(expected), strict=True))


def _summarize_error(err: BaseException) -> str:
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return (lines[0] if lines else type(err).__name__)[:300]
