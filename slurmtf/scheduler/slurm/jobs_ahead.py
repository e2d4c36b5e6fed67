"""Determine which jobs are ahead of one of ours in the queue, as far as the user can see them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from slurmtf.scheduler.books import Ahead

FIELDS = "%i|%Q|%P|%u|%r"
NOT_COMPETING = ("Dependency", "JobHeld", "BeginTime", "DependencyNeverSatisfied")
"""Pending reasons of jobs that would not start before ours, whatever their priority."""


class Waiting(NamedTuple):
    """A waiting job: its id, priority, partitions and user."""

    job_id: str
    priority: int
    partitions: frozenset[str]
    user: str
    reason: str

    @property
    def rank(self) -> tuple[int, int]:
        return self.priority, -int(self.job_id) if self.job_id.isdigit() else 0


def build_waiting_query(cluster: str | None = None) -> list[str]:
    """Return the command that lists all waiting jobs of all visible users (squeue(1); slurm.conf(5), PrivateData)."""
    clusters = [f"--clusters={cluster}"] if cluster else []
    return ["squeue", *clusters, "--noheader", "--states=PENDING", f"--format={FIELDS}"]


def parse_waiting(text: str) -> list[Waiting]:
    """Parse the output of :func:`build_waiting_query`; a job array is one line (``33_[1-5]``)."""
    return list(_parse(text))


def _parse(text: str) -> Iterator[Waiting]:
    for line in text.splitlines():
        cells = line.split("|", 4)
        if len(cells) == 5 and cells[1].isdigit():
            yield Waiting(cells[0].partition("_")[0], int(cells[1]), frozenset(cells[2].split(",")), cells[3], cells[4])


def find_ahead(queue: list[Waiting], job_id: str) -> Ahead | None:
    """Return what is ahead of a job: jobs in its partitions that may start and have a higher priority, or the same and were
    submitted earlier (job_scheduler.c, sort_job_queue2). None if the job is not waiting.
    """
    own = next((one for one in queue if one.job_id == job_id), None)
    if own is None:
        return None
    before = [
        one
        for one in queue
        if one.rank > own.rank and one.partitions & own.partitions and not one.reason.startswith(NOT_COMPETING)
    ]
    mine = sum(one.user == own.user for one in before)
    return Ahead(len(before), mine, ",".join(sorted(own.partitions)), len({one.user for one in queue}) > 1)
