"""Which owner works on which trial. A lease is a hard link to its owner's file: the first to link it has the trial."""

import contextlib
import json
import os
from typing import Dict, Iterator, NamedTuple, Set, Tuple

from ..system.private import make_private
from . import once
from .records import SweepLayout, from_json

STALE_S = 30.0
"""Seconds without a heartbeat, by the file system's clock, after which an owner may be dead."""
OWNER = "owner."


class Owner(NamedTuple):
    """One start of an element: its job in Slurm, and its process."""

    element: str = ""
    job: str = ""
    host: str = ""
    pid: int = 0
    started: str = ""


class Lease(NamedTuple):
    """The holder of a trial. ``age``: seconds since the last heartbeat; ``inode``: distinguishes the starts of an owner."""

    trial: int
    attempt: int
    owner: Owner
    age: float
    inode: int


class Leases:
    """The leases of a sweep, as seen by one process, which may be an owner itself: see :meth:`join`. ``taken``: the trials that
    are known to have been taken."""

    def __init__(self, layout: SweepLayout) -> None:
        self._layout = layout
        self.taken: Set[int] = set()
        self._owners: Dict[Tuple[int, int], Tuple[Owner, int]] = {}
        self._own_path = ""
        self._inode = -1

    def join(self, owner: Owner) -> None:
        """Begin to take trials, as one start of an element. Raises OSError."""
        make_private(self._layout.leases)
        self._own_path = os.path.join(self._layout.leases, "{}{}.{}".format(OWNER, owner.element, os.urandom(4).hex()))
        once.write(owner._asdict(), self._own_path)
        self._inode = os.stat(self._own_path).st_ino

    def beat(self) -> None:
        """Show that we are alive."""
        with contextlib.suppress(OSError):
            os.utime(self._own_path)

    def claim(self, trial: int, attempt: int) -> bool:
        """Try to take a trial; return whether it is ours. Raises OSError."""
        self.taken.add(trial)
        return once.link(self._own_path, self._path(trial, attempt))

    def is_ours(self, lease: Lease) -> bool:
        return lease.inode == self._inode

    def is_superseded(self, trial: int, attempt: int) -> bool:
        """Return whether a later attempt of the trial has been taken."""
        return os.path.exists(self._path(trial, attempt + 1))

    def read_attempts(self) -> Dict[int, int]:
        """Return the highest attempt of each trial that has ever been taken."""
        found: Dict[int, int] = {}
        for name in once.list_names(self._layout.leases):
            trial, _, attempt = name.partition(".")
            if trial.isdigit() and attempt.isdigit():
                found[int(trial)] = max(int(attempt), found.get(int(trial), 0))
        self.taken.update(found)
        return found

    def read_leases(self, attempts: Dict[int, int]) -> Iterator[Lease]:
        """Yield the leases of these attempts, by trial."""
        now = self._read_clock()
        for trial, attempt in sorted(attempts.items()):
            try:
                owner, inode = self._read_owner(trial, attempt)
                age = now - os.stat(self._path(trial, attempt)).st_mtime
            except (OSError, ValueError):
                continue
            yield Lease(trial, attempt, owner, age, inode)

    def _read_owner(self, trial: int, attempt: int) -> Tuple[Owner, int]:
        """Return the owner that took a trial, and its file's inode. A lease never changes: it is read once."""
        if (trial, attempt) not in self._owners:
            with open(self._path(trial, attempt), encoding="utf-8") as file:
                self._owners[trial, attempt] = from_json(Owner, json.load(file)), os.fstat(file.fileno()).st_ino
        return self._owners[trial, attempt]

    def _read_clock(self) -> float:
        """Return the time by the file system's clock: the time of a file that we have just touched."""
        path = self._own_path
        if not path:
            path = os.path.join(self._layout.folder, ".clock")
            with contextlib.suppress(OSError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        os.utime(path)
        return os.stat(path).st_mtime

    def _path(self, trial: int, attempt: int) -> str:
        return os.path.join(self._layout.leases, "{}.{}".format(trial, attempt))
