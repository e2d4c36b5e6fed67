"""A child process that records its signals, and a clock that the test advances."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from slurmtf.job.common.process import Child


class Hearing(Child):
    """A child whose signals are recorded and not sent. It does nothing."""

    def __init__(self, command: Sequence[str], folder: str, environ: dict[str, str]) -> None:
        super().__init__([sys.executable, "-c", "import time; time.sleep(3600)"], folder, environ)
        self.heard: list[int] = []

    def send(self, number: int) -> None:
        self.heard.append(number)

    def tell(self, number: int) -> None:
        self.heard.append(-number)

    @property
    def kill_in(self) -> float | None:
        """Seconds until it is killed; None if it is not killed."""
        return None if self._kill_at is None else self._kill_at - time.monotonic()

    def end_truly(self) -> None:
        self._process.kill()
        self._process.wait()


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def go(self, seconds: float) -> None:
        self.now += seconds
