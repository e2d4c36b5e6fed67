"""Fuzzing in bounded time: three seconds for each test, up to a minute where $SLURMTF_FUZZ_S says so (15 s in CI)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECONDS = min(60.0, float(os.environ.get("SLURMTF_FUZZ_S", "3")))
EXAMPLES_PER_S = 200


def fuzzed(values: st.SearchStrategy[Any]) -> Callable[[Callable[[Any], None]], Callable[..., None]]:
    """Call a test with ever other values, until its time is over; what fails is then made small without a limit."""

    def decorate(test: Callable[[Any], None]) -> Callable[..., None]:
        until: list[float] = []

        def run(value: Any) -> None:
            until[:] = until or [time.monotonic() + SECONDS]
            if time.monotonic() < until[0]:
                try:
                    test(value)
                except BaseException:
                    until[0] = float("inf")
                    raise

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        count = max(100, int(SECONDS * EXAMPLES_PER_S))
        bound = settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        return bound(given(values)(run))

    return decorate


def mutated(texts: list[str], words: list[str]) -> st.SearchStrategy[str]:
    """Return one of the texts with pieces cut out, doubled, or replaced by a word or by anything."""
    piece = st.sampled_from(words) | st.text(max_size=6)
    change = st.tuples(st.floats(0, 1), st.integers(0, 12), piece)
    return st.builds(_changed, st.sampled_from(texts), st.lists(change, min_size=1, max_size=4))


def _changed(text: str, changes: list[tuple[float, int, str]]) -> str:
    for place, length, piece in changes:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + length :]
    return text


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
