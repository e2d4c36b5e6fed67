"""Claim the build of an environment: a lock that works on NFS and does not outlive its owner.

A claim is a hard link, whose creation is atomic on NFS too (open(2), O_EXCL). Its owner touches it while working. A claim is
broken if its owner's process has ended, or if it has not been touched for a while. If two builds run at once all the same,
nothing is lost: each has a folder of its own, and the one that is linked last is used.
"""

import contextlib
import json
import os
import socket
import time
from typing import Dict, Mapping, Optional

from .. import variables as var
from ..interchange import JsonObject
from ..system import proc

BEAT_S = 10.0
SILENT_S = 120.0
"""Seconds without a touch, by the file system's clock, after which an owner on another host counts as dead."""


class Claim:
    """The right to build one environment."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._next_beat = 0.0

    def take(self) -> bool:
        """Break a dead owner's claim, then claim the build; return whether we hold it now."""
        own = "{}.{}".format(self._path, os.urandom(6).hex())
        with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(_identify_self(), file)
        try:
            holder = self.read_holder()
            if holder is not None and self._is_dead(holder, os.stat(own).st_mtime):
                self._break(holder)
            return _link(own, self._path)
        finally:
            os.remove(own)

    def read_holder(self) -> Optional[Dict[str, object]]:
        """Return the claim's holder (host, pid, start time, job); None if there is none."""
        try:
            with open(self._path, encoding="utf-8") as file:
                found: Dict[str, object] = json.load(file)
        except (OSError, ValueError):
            return None
        return found

    def is_alive(self) -> bool:
        """Return whether the claim has a holder that is not known to be dead."""
        holder = self.read_holder()
        return holder is not None and not self._is_dead(holder, time.time())

    def beat(self) -> None:
        """Touch the claim, at most every few seconds."""
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + BEAT_S
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def release(self) -> None:
        """Release the claim, unless it has been taken from us."""
        if self.read_holder() == _identify_self():
            with contextlib.suppress(OSError):
                os.remove(self._path)

    def _is_dead(self, holder: JsonObject, now: float) -> bool:
        if holder.get("host") == socket.gethostname():
            return bool(proc.read_start(int(holder["pid"])) != holder["started"])
        try:
            return now - os.stat(self._path).st_mtime > SILENT_S
        except OSError:
            return False

    def _break(self, holder: Mapping[str, object]) -> None:
        """Remove a dead owner's claim; put it back if another builder has taken it meanwhile."""
        doomed = "{}.{}.dead".format(self._path, os.urandom(6).hex())
        with contextlib.suppress(OSError):
            os.rename(self._path, doomed)
            if Claim(doomed).read_holder() != holder:
                _link(doomed, self._path)
            os.remove(doomed)


def _identify_self() -> Dict[str, object]:
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "pid": pid,
        "started": proc.read_start(pid),
        "job": os.environ.get(var.SLURM_JOB_ID, ""),
    }


def _link(own: str, path: str) -> bool:
    """Link a file to another name unless that exists. NFS may report an error even so: the link count tells."""
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    except OSError:
        return os.stat(own).st_nlink == 2
    return True
