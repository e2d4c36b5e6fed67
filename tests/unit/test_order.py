"""In which order test files are handed to the processes that share them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.order import SHORT, TRAINS, WAITS, mixed


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ({}, ""),
        ({"a": SHORT, "b": SHORT}, "ab"),
        ({"a": TRAINS, "b": TRAINS, "c": WAITS, "d": WAITS}, "acbd"),
        ({"a": TRAINS, "b": WAITS, "c": WAITS, "d": WAITS, "e": TRAINS}, "baced"),
        ({"a": SHORT, "b": WAITS, "c": TRAINS, "d": SHORT}, "cbad"),
    ],
)
def test_who_trains_comes_beside_who_waits(given: dict[str, str], order: str) -> None:
    assert "".join(map(str, mixed({Path(name): kind for name, kind in given.items()}))) == order
