"""What a scheduler's books say that a job has used."""

from __future__ import annotations

from typing import NamedTuple


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
