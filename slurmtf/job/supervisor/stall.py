"""Detect that nothing happens on any task any more. No clock: the caller supplies the time."""

from typing import Dict, Optional

from ..contract.life import Stall


class StallWatch:
    """Counts from the start of each task's script; each task reports when something has happened on it.

    ``stacks_s``: how long the stacks may take to write before the run is ended.
    """

    def __init__(self, stall: Stall, stacks_s: float) -> None:
        self._patience_s = stall.minutes * 60
        self._ends = stall.ends
        self._stacks_s = stacks_s
        self._last: Dict[int, float] = {}
        self._stalled_at: Optional[float] = None

    def on_activity(self, rank: int, now: float) -> None:
        """Record that something happens on a task: its script has started, written, logged or computed."""
        self._last[rank] = now
        self._stalled_at = None

    def on_task_ended(self, rank: int) -> None:
        """Record that a task has ended."""
        self._last.pop(rank, None)

    def detect_stall(self, now: float) -> bool:
        """Return True, once, when nothing has happened on any task for too long."""
        known = self._stalled_at is not None or not self._patience_s or not self._last
        if known or now - max(self._last.values()) < self._patience_s:
            return False
        self._stalled_at = now
        return True

    def is_over(self, now: float) -> bool:
        """Return whether to end the run: nothing has happened while its stacks were written either."""
        return self._ends and self._stalled_at is not None and now >= self._stalled_at + self._stacks_s
