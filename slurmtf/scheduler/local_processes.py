"""Observe and cancel the jobs of this machine, which are processes: their supervisors."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence

from slurmtf.errors import SlurmtfError
from slurmtf.findings import Finding
from slurmtf.scheduler.base import JobState, Observation, SubmittedJob


def observe(jobs: Iterable[SubmittedJob]) -> dict[SubmittedJob, Observation]:
    """Look for the processes. Those on another machine can't be seen from here: ``UNKNOWN``."""
    found: dict[SubmittedJob, Observation] = {}
    for job in jobs:
        alive = job.process.is_alive() if job.process else False
        if job.process and alive is None:
            found[job] = Observation(job.ref, JobState.UNKNOWN, f"it runs on {job.process.host}", nodes=job.process.host)
        elif job.process and alive:
            found[job] = Observation(job.ref, JobState.RUNNING, nodes=job.process.host, folder=job.folder)
    return found


def cancel(jobs: Sequence[SubmittedJob]) -> None:
    """Ask the supervisors to end. After asking all that can be reached, raises SlurmtfError for the others."""
    elsewhere = [job for job in jobs if not _terminate(job)]
    findings = [
        Finding("other-host", f"process {job.ref.job_id}", _describe_place(job), "log in there to cancel it")
        for job in elsewhere
    ]
    if findings:
        raise SlurmtfError(*findings)


def _terminate(job: SubmittedJob) -> bool:
    """Ask a supervisor to end, unless it has; returns False if it is on another machine."""
    alive = job.process.is_alive() if job.process else False
    if job.process and alive:
        try:
            os.kill(job.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            return True
    return alive is not None


def _describe_place(job: SubmittedJob) -> str:
    return f"runs on {job.process.host}" if job.process else "is not known"
