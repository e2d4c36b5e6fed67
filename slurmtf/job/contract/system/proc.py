"""What the kernel says about processes (proc(5))."""

import os
from typing import Iterator, NamedTuple, Optional, Tuple

TICKS = os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """One process. ``cpu_s``: CPU seconds, including the children it has waited for; ``started``: ticks since boot."""

    state: str
    parent: int
    session: int
    cpu_s: float
    started: int


def parse_stat(text: str) -> Optional[Stat]:
    """Parse a process's stat; None if it is incomplete. The name before the fields may contain spaces and parentheses."""
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        return None
    times = sum(map(int, fields[11:15]))
    return Stat(fields[0], int(fields[1]), int(fields[3]), times / TICKS, int(fields[19]))


def read_stat(pid: int) -> Optional[Stat]:
    """Return the stat of a process; None if there is no such process."""
    try:
        with open("/proc/{}/stat".format(pid), encoding="utf-8", errors="replace") as file:
            return parse_stat(file.read())
    except OSError:
        return None


def iterate_processes() -> Iterator[Tuple[int, Stat]]:
    """Yield all visible processes of this node, with their pids."""
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        found = read_stat(pid)
        if found:
            yield pid, found


def read_start(pid: int) -> Optional[int]:
    """Return when a process was started, in ticks since boot; None if it has ended, even if it is a zombie.

    A pid is reused; the pair of pid and start is not.
    """
    found = read_stat(pid)
    return None if found is None or found.state in "ZX" else found.started
