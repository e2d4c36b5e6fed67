"""Whether anything still happens on any task. No clock: it is told."""

from typing import Dict

from ..contract.life import Stall


class StallWatch:
    """Counts from the start of each task's script; each task tells when something has happened on it."""

    def __init__(self, stall: Stall) -> None:
        self._patience_s = stall.minutes * 60
        self._last: Dict[int, float] = {}
        self._told = False

    def active(self, rank: int, now: float) -> None:
        """Take in that something happens on a task: its script has started, written, logged or computed."""
        self._last[rank] = now
        self._told = False

    def gone(self, rank: int) -> None:
        """Take in that a task has ended."""
        self._last.pop(rank, None)

    def begins(self, now: float) -> bool:
        """Tell, once, that nothing has happened on any task for too long."""
        if self._told or not self._patience_s or not self._last:
            return False
        self._told = now - max(self._last.values()) >= self._patience_s
        return self._told
