"""Submit, observe and cancel jobs: on Slurm, or on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from slurmtf.job.contract.schedulers import LOCAL, SLURM
from slurmtf.scheduler.base import Array, JobRef, JobState, Observation, Scheduler, SubmittedJob

__all__ = ["Array", "JobRef", "JobState", "Observation", "Scheduler", "SubmittedJob", "get_scheduler", "group_by_scheduler"]


def _build_slurm(cluster: str | None) -> Scheduler:
    from slurmtf.scheduler.slurm.scheduler import SlurmScheduler  # noqa: PLC0415 - not needed to list ended runs

    return SlurmScheduler(cluster)


def _build_local(cluster: str | None) -> Scheduler:
    from slurmtf.scheduler.local import LocalScheduler  # noqa: PLC0415

    return LocalScheduler(cluster)


SCHEDULERS: dict[str, Callable[[str | None], Scheduler]] = {SLURM: _build_slurm, LOCAL: _build_local}


def get_scheduler(name: str, cluster: str | None = None) -> Scheduler:
    """Return the scheduler that a profile, a plan or a job's record names; ``cluster`` is one of its clusters."""
    return SCHEDULERS[name](cluster)


def group_by_scheduler(jobs: Iterable[SubmittedJob]) -> list[tuple[Scheduler, list[SubmittedJob]]]:
    """Group jobs by the scheduler and the cluster to query."""
    found: dict[tuple[str, str | None], list[SubmittedJob]] = {}
    for job in jobs:
        found.setdefault((job.scheduler, job.ref.cluster), []).append(job)
    return [(get_scheduler(*key), several) for key, several in found.items()]
