"""Convert what is logged to plain Python: numbers and texts, also those of numpy, TensorFlow and others, without importing
them."""

import json
import operator
from typing import Any, Dict, List, Optional, Union

from ..contract.metrics.entries import is_number, is_step

Scalar = Union[float, int, str]
PLAIN = (float, int, str)


def to_scalar(name: str, value: object) -> Scalar:
    """Return a number or a text. Raises TypeError for anything else, ValueError for a number that no float can hold."""
    found = value if type(value) is float else _convert_scalar(name, value)
    if isinstance(found, int) and not is_number(found):
        raise ValueError("{!r}: a whole number of so many digits is more than a float holds (1.8e308)".format(name))
    return found


def _convert_scalar(name: str, value: Any) -> Scalar:
    if type(value) in PLAIN:
        return value  # type: ignore[no-any-return]
    for kind in (str, int, float):
        if isinstance(value, kind):
            return value if isinstance(value, bool) else kind(value)
    found = _extract_item(value)
    if found is None:
        raise TypeError("{!r}: {} is neither a number nor a string{}".format(name, _format_kind(value), _format_advice(value)))
    return found


def _extract_item(value: object) -> Optional[Scalar]:
    """Return the number or text in an array or a tensor with a single element; None if there is none."""
    try:
        array = _to_array(value)
        if isinstance(array, bytes):
            return None if array is value else array.decode("utf-8")
        found = array.item() if callable(getattr(array, "item", None)) else float(array)
    except Exception:  # a tensor of a graph, an array of several numbers, anybody's class
        return None
    return found if isinstance(found, PLAIN) else None


def _to_array(value: Any) -> Any:
    """Return a tensor as an array of numpy, anything else as it is."""
    return value.numpy() if callable(getattr(value, "numpy", None)) else value


def _format_advice(value: object) -> str:
    if isinstance(value, dict):
        return ": use log_row for numbers by name, log_table for lists by name"
    if hasattr(value, "graph"):
        return ": a tensor has its value outside of tf.function"
    if hasattr(value, "__iter__") and not isinstance(value, bytes):
        return ": use log_list for several"
    return ""


def _format_kind(value: object) -> str:
    shape = getattr(value, "shape", None)
    return "{}{}".format(type(value).__name__, "" if shape is None else " of shape {}".format(shape))


def to_list(name: str, value: object) -> List[Scalar]:
    """Return a list of numbers and texts. Raises TypeError for anything else."""
    array = _to_array(value)
    if isinstance(array, (str, bytes, dict)) or not hasattr(array, "__iter__"):
        raise TypeError("{!r}: {} is not a list of numbers or strings".format(name, _format_kind(value)))
    found = array.tolist() if callable(getattr(array, "tolist", None)) else array
    if not hasattr(found, "__iter__"):
        raise TypeError("{!r}: {} is not a list: use log".format(name, _format_kind(value)))
    return [to_scalar(name, item) for item in found]


def to_row(name: str, columns: Any) -> Dict[str, Scalar]:
    """Return a row: numbers and texts by their columns. Raises TypeError."""
    return {to_text("a column of {!r}".format(name), column): to_scalar(name, value) for column, value in columns.items()}


def to_table(name: str, value: object) -> Dict[str, List[Scalar]]:
    """Return lists by their columns. Raises TypeError."""
    if not isinstance(value, dict):
        raise TypeError("{!r}: {} is not a table: use a dict of lists".format(name, _format_kind(value)))
    return {to_text("a column of {!r}".format(name), column): to_list(name, cells) for column, cells in value.items()}


def to_document(name: str, value: object, kind: str) -> Dict[str, object]:
    """Return a JSON document of Azure ML's, which has its schema's name, version and data. Raises TypeError or ValueError."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError as err:
        raise ValueError("{!r}: the string is not a JSON object: {}".format(name, err)) from None
    if not isinstance(found, dict):
        raise TypeError("{!r}: {} is not a JSON object".format(name, _format_kind(found)))
    lacks = [key for key in ("schema_type", "schema_version", "data") if key not in found]
    if lacks or found["schema_type"] != kind:
        what = "lacks {}".format(", ".join(lacks)) if lacks else "is of type {!r}".format(found["schema_type"])
        raise ValueError("{!r} {}: it needs schema_type {!r}, schema_version and data".format(name, what, kind))
    plain: Dict[str, object] = _to_plain(name, found)
    return plain


def _to_plain(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _to_plain(name, item) for key, item in value.items()}
    if value is None or isinstance(value, (list, tuple)):
        return value if value is None else [_to_plain(name, item) for item in value]
    return _to_plain(name, value.tolist()) if getattr(value, "shape", None) else to_scalar(name, value)


def to_text(what: str, value: object) -> str:
    """Return a text as it is. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("{} must be a string, not {} ({!r})".format(what, _format_kind(value), value))
    return value


def to_step(name: str, value: object) -> Optional[int]:
    """Return a step: a whole number, or None. Raises TypeError, ValueError for one of more than 64 bits."""
    found = None if value is None else _to_int(name, value)
    if found is not None and not is_step(found):
        raise ValueError("{!r}: the step must be a whole number of at most 64 bits".format(name))
    return found


def _to_int(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        found = _extract_item(value)
    if isinstance(found, int) and not isinstance(value, (str, float)):
        return found
    raise TypeError("{!r}: the step must be a whole number, not {} ({!r})".format(name, _format_kind(value), value))
