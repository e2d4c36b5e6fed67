"""What a scheduler's accounting knows about the resources that a job has used."""

from __future__ import annotations

from typing import NamedTuple


class Ahead(NamedTuple):
    """The jobs ahead of a job in the queue of its partitions: those with higher priority, or with the same and submitted
    earlier, and how many of them are the user's. ``sees_others``: whether other users' jobs are visible at all."""

    jobs: int
    mine: int
    partitions: str
    sees_others: bool


class NodeBooks(NamedTuple):
    """A node according to jobstats: CPU seconds, bytes of memory, and for each GPU its utilization in percent, MiB used and MiB
    in all."""

    node: str
    cpu_s: float
    memory: int
    gpus: tuple[tuple[float, float, float], ...] = ()


class JobUsage(NamedTuple):
    """A job according to accounting: seconds, CPU seconds of all its steps, the largest MaxRSS of a task in bytes, and its
    working directory. ``nodes``: according to jobstats."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    max_rss: int = 0
    folder: str = ""
    nodes: tuple[NodeBooks, ...] = ()
