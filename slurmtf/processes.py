"""Identify a process so that another process can recognize it later: by host, pid, and start time."""

from __future__ import annotations

import os
from dataclasses import dataclass

from slurmtf.job.contract.interchange import JsonView
from slurmtf.job.contract.system.proc import read_start


@dataclass(frozen=True)
class ProcessId:
    """``started`` is the kernel's start time in ticks since boot: a pid can be reused, but not with the same start time."""

    host: str
    pid: int
    started: int

    def is_alive(self) -> bool | None:
        """Return whether the process is running; None if it is on another host, which can't be seen from here."""
        if self.host != os.uname().nodename:
            return None
        return read_start(self.pid) == self.started


def identify(pid: int) -> ProcessId:
    """Return the identity of a running process on this host."""
    return ProcessId(os.uname().nodename, pid, read_start(pid) or 0)


def recognize(facts: JsonView | None) -> ProcessId | None:
    """Return the identity that was stored as a mapping; None if there is none."""
    return ProcessId(str(facts["host"]), int(facts["pid"]), int(facts["started"])) if facts else None
