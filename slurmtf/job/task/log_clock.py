"""Record when logs grew, so that the logs of many tasks can be read as one, in order of time.

The script writes directly to its logs, so nothing is lost if the agent dies. A separate file records their sizes over time:
each line has the time in seconds since 1970, then the size of each log.
"""

import os
import time
from typing import Optional, Sequence, Tuple

PAUSE_S = 0.2


class LogClock:
    """Records the sizes of a task's logs as they grow."""

    def __init__(self, path: str, logs: Sequence[str]) -> None:
        self._path = path
        self._logs = logs
        self._sizes: Optional[Tuple[int, ...]] = None
        self._next = 0.0

    def note(self) -> None:
        """Record the sizes if they have changed; a failed write does not fail the run."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PAUSE_S
        try:
            sizes = tuple(os.path.getsize(log) for log in self._logs)
            if sizes != self._sizes:
                self._sizes = sizes
                line = " ".join(["{:.3f}".format(time.time())] + [str(size) for size in sizes]) + "\n"
                with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="ascii") as clock:
                    clock.write(line)
        except OSError:
            return
