"""The life of a run, one JSON object a line. Only the supervisor writes; everybody reads."""

import json
import os
import time
from typing import Any, Dict, Iterator, List


class Journal:
    """The append-only record of a run.

    Each event is one write in append mode, so that a reader never sees half of one that is not the last line.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self, event: str, **facts: Any) -> None:
        """Append an event with the time in seconds since 1970."""
        line = json.dumps(dict({"time": round(time.time(), 3), "event": event}, **facts)) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode("utf-8"))
            os.fsync(descriptor)  # NFS: others see it when it is on the server
        finally:
            os.close(descriptor)

    def beat(self) -> None:
        """Show that the supervisor is alive: the file's time of change is its heartbeat."""
        os.utime(self._path)


def read(path: str) -> List[Dict[str, Any]]:
    """Return the events of a journal; a last line that is still being written is left out."""
    return list(_events(path))


def _events(path: str) -> Iterator[Dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)
    except FileNotFoundError:
        return
