"""Draw inputs to run a model on: seeded, of every dtype, with the values in its tables; or use the user's real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .interchange import Arrays

SEED = 1
BATCHES = (1, 3, 64)
SIZES = ((5, 7, 6), (32, 40, 36), (224, 240, 232))
"""Sizes tried for a dimension without a fixed size, one for each batch: small, for images, for large images."""
WORDS = ("the", "cat", "sat on", "Mat", "", "x1", "ümlaut", "zzz unknown zzz")


class Spec(NamedTuple):
    """An input or output: its sizes, None for any size, and its numpy dtype ('str' for texts)."""

    shape: tuple[int | None, ...]
    dtype: str

    @property
    def is_fixed(self) -> bool:
        """Whether it accepts only one batch size."""
        return not self.shape or self.shape[0] is not None

    def to_dict(self) -> dict[str, object]:
        return {"shape": list(self.shape), "dtype": self.dtype}


def draw_inputs(specs: Mapping[str, Spec], batch: int, known: Mapping[str, Sequence[Any]]) -> Iterator[Arrays]:
    """Yield inputs for a batch, the most demanding first: if the model does not accept one, the next is tried.

    ``known`` are constants of the model, by dtype ('str', 'int'): texts and integers that its tables may hold.
    """
    number = BATCHES.index(batch) if batch in BATCHES else 0
    for sizes in SIZES:
        for integers in ([*known.get("int", ()), *range(50)], range(8), range(2)):
            random = np.random.default_rng(SEED + batch)
            yield {
                name: _draw(random, _choose_shape(spec, batch, sizes[number]), spec.dtype, list(integers), known.get("str", ()))
                for name, spec in specs.items()
            }


def _choose_shape(spec: Spec, batch: int, size: int) -> tuple[int, ...]:
    if not spec.shape:
        return ()
    first = batch if spec.shape[0] is None else spec.shape[0]
    return (first, *(size if one is None else one for one in spec.shape[1:]))


def _draw(random: Any, shape: tuple[int, ...], dtype: str, integers: Sequence[int], texts: Sequence[str]) -> object:
    if dtype == "str":
        return random.choice(np.array([*texts, *WORDS], dtype=object), shape)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        limits = np.iinfo(dtype)
        fitting = [value for value in integers if limits.min <= value <= limits.max]
        return random.choice(np.array(fitting, dtype), shape)
    return random.standard_normal(shape).astype(dtype)


def take_samples(specs: Mapping[str, Spec], batch: int, samples: Arrays) -> Arrays:
    """Return so many rows of the user's samples, repeating them if they are too few. Raises ValueError."""
    missing = [name for name in specs if name not in samples]
    if missing:
        raise ValueError(f"the samples have no {', '.join(missing)}; they have {', '.join(samples) or 'nothing'}")
    rows = np.arange(batch)
    return {
        name: samples[name]
        if spec.is_fixed
        else np.take(samples[name], rows % len(samples[name]), axis=0).astype(object if spec.dtype == "str" else spec.dtype)
        for name, spec in specs.items()
    }
