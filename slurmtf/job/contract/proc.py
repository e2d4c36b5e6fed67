"""What the kernel tells of processes (proc(5))."""

from typing import Optional


def start_of(pid: int) -> Optional[int]:
    """Return when a process was started, in ticks since boot (field 22 of stat); None when it has ended, zombies included.

    A pid is used again, both together are not.
    """
    try:
        with open("/proc/{}/stat".format(pid), encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
