"""Submit, observe and cancel jobs: on Slurm, or on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from slurmtf.scheduler.base import Array, JobRef, JobState, Observation, Scheduler, SubmittedJob
from slurmtf.scheduler.local import LocalScheduler
from slurmtf.scheduler.slurm.scheduler import SlurmScheduler

__all__ = ["Array", "JobRef", "JobState", "Observation", "Scheduler", "SubmittedJob", "by_scheduler", "scheduler_of"]

SCHEDULERS: dict[str, Callable[[str | None], Scheduler]] = {one.name: one for one in (SlurmScheduler, LocalScheduler)}


def scheduler_of(name: str, cluster: str | None = None) -> Scheduler:
    """Return the scheduler that a profile, a plan or a job's record names; ``cluster`` is one of several that it has."""
    return SCHEDULERS[name](cluster)


def by_scheduler(jobs: Iterable[SubmittedJob]) -> list[tuple[Scheduler, list[SubmittedJob]]]:
    """Return jobs by where they are to be asked for, each scheduler once for each of its clusters."""
    found: dict[tuple[str, str | None], list[SubmittedJob]] = {}
    for job in jobs:
        found.setdefault((job.scheduler, job.ref.cluster), []).append(job)
    return [(scheduler_of(*key), several) for key, several in found.items()]
