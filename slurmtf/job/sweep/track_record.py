"""How an element's own trials have ended, and what follows for it: a pause, or that it takes no more."""

import time
from typing import List, Optional, Sequence, Tuple

from ..contract.sweep.records import FAILED
from . import candidates


class TrackRecord:
    """The ends of an element's trials, each with its status and its seconds, and of launches that were not possible."""

    def __init__(self) -> None:
        self._ends: List[Tuple[str, float]] = []
        self._troubles = 0
        self._paused_until = 0.0

    @property
    def is_empty(self) -> bool:
        return not self._ends

    @property
    def pauses(self) -> bool:
        """Whether the element waits before its next trial."""
        return time.monotonic() < self._paused_until

    def note_end(self, status: str, seconds: float) -> None:
        """Note the result of a trial."""
        self._ends.append((status, seconds))

    def note_launch(self) -> None:
        """Note that a trial could be launched."""
        self._troubles = 0

    def note_trouble(self, seconds: float) -> None:
        """Note that a trial could not be launched, and pause: longer each time."""
        self._ends.append((FAILED, seconds))
        self._troubles += 1
        self._paused_until = time.monotonic() + candidates.compute_pause(self._troubles)

    def should_retire(self, limit: int) -> bool:
        """Return whether the element gives up because its last ``limit`` trials failed quickly."""
        return candidates.should_retire(self._ends, limit)

    def is_too_short(self, left_s: Optional[float], durations: Sequence[Tuple[str, float]]) -> bool:
        """Return whether the time that is left is too short for another trial; ``durations`` are those of all elements."""
        return candidates.is_too_short(left_s, durations, not self.is_empty)
