"""The life of a run, one JSON object a line. Only the supervisor writes; everybody reads."""

import contextlib
import json
import os
import sys
import time
from typing import Any, Dict, Iterator, List


class Journal:
    """The append-only record of a run.

    Each event is one write in append mode, so that a reader never sees half of one that is not the last line.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._unwritten = b"\n" if _is_cut(path) else b""

    def write(self, event: str, **facts: Any) -> None:
        """Append an event with the time in seconds since 1970.

        A training does not end because its journal can't be written: what a full disk refuses comes with the next event.
        """
        line = json.dumps(dict({"time": round(time.time(), 3), "event": event}, **facts)) + "\n"
        self._unwritten += line.encode("utf-8")
        try:
            self._flush()
        except OSError as err:
            with contextlib.suppress(OSError):
                sys.stderr.write("slurmtf: can't write {} into the journal: {}\n".format(event, err))

    def _flush(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[os.write(descriptor, self._unwritten) :]
            os.fsync(descriptor)  # NFS: others see it when it is on the server
        finally:
            os.close(descriptor)

    def beat(self) -> None:
        """Show that the supervisor is alive: the file's time of change is its heartbeat."""
        with contextlib.suppress(OSError):
            os.utime(self._path)


def read(path: str) -> List[Dict[str, Any]]:
    """Return the events of a journal; a line that is not whole (being written, or cut by a full disk) is left out."""
    return list(_events(path))


def _events(path: str) -> Iterator[Dict[str, Any]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
    except FileNotFoundError:
        return


def _is_cut(path: str) -> bool:
    """Tell whether the last line lacks its end."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 1))
            return file.read() not in (b"", b"\n")
    except OSError:
        return False
