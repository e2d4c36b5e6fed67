"""Measure what many runs requested and used, with one accounting query for each cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.records import read_records
from slurmtf.runs.states.state import RunState
from slurmtf.runs.status import find_current_job
from slurmtf.runs.usage import Usage, add_accounting, compute_usage
from slurmtf.runs.workspaces.listing import ListedRun
from slurmtf.scheduler import SubmittedJob, get_scheduler, group_by_scheduler
from slurmtf.scheduler.books import Ahead


@dataclass(frozen=True)
class ReportedRun:
    """One run, with what it requested and used."""

    folder: Path
    state: RunState
    usage: Usage


def measure(runs: Sequence[ListedRun], now: float) -> list[ReportedRun]:
    """Return the usage of runs, omitting those whose plan can't be read.

    Accounting is queried for those without samples, or without samples of their GPUs.
    """
    found = [(run, compute_usage(RunLayout(str(run.folder)), run.state, now)) for run in runs]
    jobs = {run.folder: job for run, usage in found if usage and _needs_accounting(usage) and (job := _find_last_job(run))}
    books = {
        job: used
        for scheduler, several in group_by_scheduler(jobs.values())
        for job, used in scheduler.read_usage(several).items()
    }
    return [
        ReportedRun(
            run.folder, run.state, add_accounting(usage, books[job]) if (job := jobs.get(run.folder)) in books else usage
        )
        for run, usage in found
        if usage
    ]


def find_ahead(layout: RunLayout) -> Ahead | None:
    """Return what is ahead of a waiting run in the queue; None if the run has no job."""
    job = find_current_job(layout)
    return get_scheduler(job.scheduler, job.ref.cluster).find_ahead(job) if job else None


def _needs_accounting(usage: Usage) -> bool:
    """Return whether the folder lacks samples, or samples of the GPUs."""
    return not usage.nodes or bool(usage.requested.gpus_per_node and not usage.gpus)


def _find_last_job(run: ListedRun) -> SubmittedJob | None:
    jobs = read_records(RunLayout(str(run.folder))).jobs
    return jobs[-1] if jobs and not jobs[-1].elements else None
