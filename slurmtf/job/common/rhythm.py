"""Something that is due every so many seconds, asked more often than that."""

import time


class Rhythm:
    """It is due at once the first time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic()

    def is_due(self) -> bool:
        """Return whether it is to be done now, and is done then."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
