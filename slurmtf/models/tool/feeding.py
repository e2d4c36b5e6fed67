"""Turn rows of files into a model's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .drawing import Spec
from .interchange import Arrays
from .readers import BadRow


def feed_arrays(arrays: Mapping[str, object], specs: Mapping[str, Spec]) -> Arrays:
    """Return arrays under the names of a model's inputs, in their dtypes. Raises ValueError if one is missing."""
    if len(specs) == 1 and len(arrays) == 1:
        arrays = dict(zip(specs, arrays.values(), strict=True))
    missing = [name for name in specs if name not in arrays]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}")
    return {name: _fit(arrays[name], spec, name) for name, spec in specs.items()}


def _fit(values: Any, spec: Spec, name: str) -> object:
    given, wanted = tuple(values.shape[1:]), spec.shape[1:]
    if len(given) == len(wanted) - 1 and wanted[-1] == 1:  # grey images, single columns
        values, given = values[..., None], (*given, 1)
    if len(given) != len(wanted) or any(one not in (None, other) for one, other in zip(wanted, given, strict=True)):
        shown = ", ".join("?" if one is None else str(one) for one in wanted)
        raise ValueError(f"{name} has the shape {given}, and the model takes ({shown})")
    return values.astype(object, copy=False) if spec.dtype == "str" else cast(values, spec.dtype)


def cast(values: Any, dtype: str) -> Any:
    """Return an array in another dtype. Raises ValueError if a value would change: 1.5 or 3,000,000,000 as int32, null."""
    if values.dtype.kind == "O" and None in values.ravel().tolist():
        raise ValueError(f"null is not {dtype}")
    if values.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        raise ValueError(f"complex numbers are not {dtype}")
    with np.errstate(invalid="ignore"):
        found = values.astype(dtype, copy=False)
    if values.dtype.kind in "fiu" and found.dtype.kind in "iu" and not np.can_cast(values.dtype, found.dtype):
        other = found != values
        if other.any():
            raise ValueError(f"{values[other].flat[0]} is not {dtype}")
    return found


def feed_records(records: Sequence[object], specs: Mapping[str, Spec]) -> Arrays:
    """Return records as a batch. Raises ValueError if one is wrong."""
    try:
        return _feed_table(records, specs)
    except (ValueError, TypeError, AttributeError, LookupError):  # no table of numbers: each one as it is
        return join([feed_record(record, specs) for record in records])


def _feed_table(records: Sequence[Any], specs: Mapping[str, Spec]) -> Arrays:
    """Return records of plain values, all with the same names, column by column. Raises any error if they are no such table."""
    names = list(records[0])
    if any(getattr(value, "ndim", 0) for value in records[0].values()):
        raise ValueError("arrays in a table")
    if any(list(record) != names for record in records) or "str" in {spec.dtype for spec in specs.values()}:
        raise ValueError("no table of numbers")
    wanted = (
        {next(iter(specs)): names} if len(specs) == 1 and not specs.keys() & set(names) else {name: [name] for name in specs}
    )
    found = {}
    for name, own in wanted.items():
        values = np.array([[record[one] for one in own] for record in records])
        values = cast(values, specs[name].dtype)
        if values.ndim != 2:
            raise ValueError("lists in a table")
        sizes = tuple(-1 if size is None else size for size in specs[name].shape[1:])
        fits = -1 not in sizes and values.shape[1] == int(np.prod(sizes, dtype=int))
        found[name] = values.reshape(-1, *sizes) if fits else values
    return feed_arrays(found, specs)


def feed_record(record: Any, specs: Mapping[str, Spec]) -> Arrays:
    """Return a record as a batch of one. Raises ValueError if it is wrong."""
    if isinstance(record, BadRow):
        raise ValueError(record.why)
    if len(specs) == 1 and not specs.keys() & record.keys():
        (name,) = specs
        record = {name: next(iter(record.values())) if len(record) == 1 else [*record.values()]}
    arrays = {name: _convert_value(record[name], specs[name])[None] for name in specs if name in record}
    return feed_arrays(arrays, specs)


def _convert_value(value: object, spec: Spec) -> Any:
    if spec.dtype == "str":
        found = np.asarray(value, dtype=object)
        if None in found.ravel().tolist():
            raise ValueError("null is not a text")
        texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in found.ravel().tolist()]
        found = np.array(texts, dtype=object).reshape(found.shape)
    else:
        found = _to_numbers(value, spec.dtype)
    sizes = spec.shape[1:]
    if found.ndim == 1 and len(sizes) > 1 and None not in sizes and found.size == np.prod(np.array(sizes, dtype=int)):
        return found.reshape(tuple(size for size in sizes if size is not None))  # a flat list of a record
    return found[0] if not sizes and found.shape == (1,) else found[None] if not found.ndim and sizes else found


def _to_numbers(value: object, dtype: str) -> Any:
    """Return a value as an array of a dtype; texts are read as numbers. Raises ValueError naming one that is not a number."""
    found = np.asarray(value)
    try:
        return cast(found, dtype)
    except ValueError:
        for one in found.ravel() if found.dtype.kind in "US" else ():
            try:
                one.astype(dtype)
            except ValueError:
                raise ValueError(f"{str(one)!r} is not a {dtype}") from None
        raise


def join(batches: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Concatenate batches."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
