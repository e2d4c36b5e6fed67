"""How long a test waits for what must come: a limit against hangs, the same for all, and no claim about speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

HANG_S = 600.0
"""Whoever is not there by then never comes, on a machine several times slower than ours, too."""


class NotInTime(AssertionError):
    """What a test waited for has not come."""


def until(condition: Callable[[], T | None], what: str, seconds: float = HANG_S) -> T:
    """What the condition says, as soon as it is true. ``seconds`` is for a test that wants to see it not come."""
    give_up, pause = time.monotonic() + seconds, 0.02
    while not (found := condition()):
        if time.monotonic() > give_up:
            raise NotInTime(f"{what}: not within {seconds} s")
        time.sleep(pause)
        pause = min(1.2 * pause, 0.1)
    return found
