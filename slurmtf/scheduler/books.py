"""What a scheduler's books say that a job has used."""

from __future__ import annotations

from typing import NamedTuple


class Ahead(NamedTuple):
    """What stands before a job in the queue of its partitions: jobs of higher priority, or of the same and submitted before it,
    and how many of them are the user's. ``sees_others``: whether others' jobs were seen at all."""

    jobs: int
    mine: int
    partitions: str
    sees_others: bool


class NodeBooks(NamedTuple):
    """A node by jobstats: CPU seconds, bytes, and of each GPU percent, MiB used and MiB in all."""

    node: str
    cpu_s: float
    memory: int
    gpus: tuple[tuple[float, float, float], ...] = ()


class JobUsage(NamedTuple):
    """A job by the accounting: seconds, CPU seconds of all its steps, the largest MaxRSS of a task in bytes, and the folder in
    which it works. ``nodes``: by jobstats."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    max_rss: int = 0
    folder: str = ""
    nodes: tuple[NodeBooks, ...] = ()
