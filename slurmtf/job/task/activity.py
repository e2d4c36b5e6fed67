"""Whether a task's script still does anything: its files grow, or its processes compute."""

import os
import time
from typing import List, Optional, Sequence

from ..contract import proc
from ..contract.life import Stall

LONGEST_PAUSE_S = 15.0
LOOKS = 8
"""How often it is looked at in the time after which it counts as stalled."""
IDLE_SHARE = 0.02
"""Of one core: what the threads of an idle TensorFlow use, and less than any that computes."""


class Activity:
    """Of one script; ``pid`` leads its session."""

    def __init__(self, stall: Stall, paths: Sequence[str]) -> None:
        self._pause_s = min(LONGEST_PAUSE_S, stall.minutes * 60 / LOOKS)
        self._counts_cpu = stall.cpu
        self._paths = paths
        self._seen_at = time.monotonic()
        self._sizes: Optional[List[int]] = None
        self._cpu_s = 0.0

    def is_new(self, pid: int) -> bool:
        """Tell whether something has happened since the last look; not yet, as long as the next one is not due."""
        now = time.monotonic()
        passed = now - self._seen_at
        if not self._pause_s or passed < self._pause_s:
            return False
        sizes, cpu_s = [_size(path) for path in self._paths], cpu_of_session(pid) if self._counts_cpu else 0.0
        happened = sizes != self._sizes or cpu_s - self._cpu_s > IDLE_SHARE * passed
        self._seen_at, self._sizes, self._cpu_s = now, sizes, cpu_s
        return happened


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def cpu_of_session(session: int) -> float:
    """Return the seconds of CPU that the processes of a session have used, with those that they have waited for."""
    return sum(process.cpu_s for _, process in proc.processes() if process.session == session)
