"""A process that another process can recognize later: host, pid, and the time it started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from slurmtf.job.contract.system.proc import start_of


@dataclass(frozen=True)
class ProcessId:
    """``started`` is the kernel's start time in ticks since boot: a pid is used again, both together are not."""

    host: str
    pid: int
    started: int

    def alive(self) -> bool | None:
        """Return whether the process runs; None on another host, from where that can't be seen."""
        if self.host != os.uname().nodename:
            return None
        return start_of(self.pid) == self.started


def identify(pid: int) -> ProcessId:
    """Return the identity of a running process of this host."""
    return ProcessId(os.uname().nodename, pid, start_of(pid) or 0)


def recognize(facts: Any) -> ProcessId | None:
    """Return the identity that was written down as a mapping."""
    return ProcessId(str(facts["host"]), int(facts["pid"]), int(facts["started"])) if facts else None
