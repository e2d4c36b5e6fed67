"""Detect whether a task's script still does anything: its files grow, or its processes use CPU time."""

import os
import time
from typing import List, Optional, Sequence

from ..contract.life import Stall
from ..contract.system import proc

LONGEST_PAUSE_S = 15.0
LOOKS = 8
"""How many times it is checked within the time after which it counts as stalled."""
IDLE_SHARE = 0.02
"""Share of a core: what the threads of an idle TensorFlow use, and less than a computing one does."""


class Activity:
    """The activity of one script, whose session ``pid`` leads."""

    def __init__(self, stall: Stall, paths: Sequence[str]) -> None:
        self._pause_s = min(LONGEST_PAUSE_S, stall.minutes * 60 / LOOKS)
        self._counts_cpu = stall.cpu
        self._paths = paths
        self._seen_at = time.monotonic()
        self._sizes: Optional[List[int]] = None
        self._cpu_s = 0.0

    def is_new(self, pid: int) -> bool:
        """Return whether something has happened since the last check; True until the next check is due."""
        now = time.monotonic()
        passed = now - self._seen_at
        if not self._pause_s or passed < self._pause_s:
            return False
        sizes, cpu_s = [_measure_size(path) for path in self._paths], measure_session_cpu(pid) if self._counts_cpu else 0.0
        happened = sizes != self._sizes or cpu_s - self._cpu_s > IDLE_SHARE * passed
        self._seen_at, self._sizes, self._cpu_s = now, sizes, cpu_s
        return happened


def _measure_size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def measure_session_cpu(session: int) -> float:
    """Return the CPU seconds of the processes of a session, with those of children that they have waited for."""
    return sum(process.cpu_s for _, process in proc.iterate_processes() if process.session == session)
