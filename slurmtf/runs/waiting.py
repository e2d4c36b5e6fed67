"""Wait until a run has ended, and show meanwhile what grows: its log, its metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Protocol

from slurmtf.runs.states.state import RunState

LOG_POLL_S = 0.5
FIRST_POLL_S, LAST_POLL_S = 1.0, 60.0
"""The first and the last interval of querying a run's state, in seconds, and the oldest answers of Slurm to accept: all
terminals together query once in that time."""


class Growing(Protocol):
    """Something that is shown while a run continues: its log, its metrics."""

    def show_new(self) -> None:
        """Show what is new since the last call."""

    def show_rest(self) -> None:
        """Show everything that is left, once the run has ended."""


class Pace:
    """When to query a run's state: at once if its journals have grown, else less and less often while its status stays.

    ``seconds`` is the current interval.
    """

    def __init__(self) -> None:
        self.seconds = FIRST_POLL_S
        self._next = 0.0
        self._size = -1

    def is_due(self, now: float, size: int) -> bool:
        """Return whether to query now, when the journals have this size."""
        return now >= self._next or size != self._size

    def note(self, now: float, size: int, changed: bool) -> None:
        """Note that the state was queried, after the journals had this size. ``changed``: its status was another one before."""
        self.seconds = FIRST_POLL_S if changed else min(self.seconds * 2, LAST_POLL_S)
        self._next, self._size = now + self.seconds, size


def wait_for_end(
    journals: str,
    look: Callable[[float], RunState],
    reader: Growing | None,
    on_state: Callable[[RunState], None] | None,
) -> RunState:
    """Return a run's final state. ``look`` returns the current one, from answers that are at most so many seconds old, and
    ``on_state`` is called with each change. Raises what ``look`` raises."""
    pace, known = Pace(), None
    while True:
        size = _measure_journals(journals)
        if pace.is_due(time.monotonic(), size):
            state = look(pace.seconds)
            pace.note(time.monotonic(), size, known is None or state.status is not known.status)
            if reader and state.status.final:
                reader.show_rest()
            if on_state and state != known:
                on_state(state)
            if state.status.final:
                return state
            known = state
        if reader:
            reader.show_new()
        time.sleep(min(LOG_POLL_S, pace.seconds))


def _measure_journals(folder: str) -> int:
    """Return the total size of the journals in a folder, in bytes."""
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    except OSError:
        return -1
