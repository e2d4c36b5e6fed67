"""This machine, through submitit's local executor."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurmtf.errors import SlurmtfError
from slurmtf.findings import Finding
from slurmtf.scheduler.base import Array, JobState, Note, Observation, SubmittedJob


class LocalScheduler:
    """This machine: a job is a process, its supervisor, whose pid is the job's id.

    Nothing waits here, so the elements of an array are jobs that all start at once, no more of them than may run at once.
    """

    name = "local"
    queues = False
    cancel_command = "kill"
    ends_unnoted = True

    def __init__(self, cluster: str | None = None) -> None:
        """Take no cluster: there is one machine."""

    def check(self) -> None:
        """This machine is always there."""

    def submit(
        self, script: Path, folder: Path, environ: Mapping[str, str], array: Array | None = None, *, why: str, note: Note
    ) -> list[SubmittedJob]:
        from slurmtf.scheduler.local_executor import LocalRunExecutor  # noqa: PLC0415 - 60 ms, for a submission alone

        if array is None:
            return [LocalRunExecutor(folder / "submitit", script, environ, why, note).start()]
        done: list[SubmittedJob] = []
        try:
            for number in range(min(array.elements, array.at_once or array.elements)):
                done.append(LocalRunExecutor(folder / "submitit", script, environ, why, note, number).start())
        except BaseException:
            self.cancel(done)
            raise
        return done

    def observe(self, jobs: Iterable[SubmittedJob]) -> dict[SubmittedJob, Observation]:
        """Look for the processes. What runs on another machine can't be seen from here: ``UNKNOWN``."""
        found: dict[SubmittedJob, Observation] = {}
        for job in jobs:
            alive = job.process.alive() if job.process else False
            if job.process and alive is None:
                found[job] = Observation(job.ref, JobState.UNKNOWN, f"it runs on {job.process.host}", nodes=job.process.host)
            elif job.process and alive:
                found[job] = Observation(job.ref, JobState.RUNNING, nodes=job.process.host, folder=job.folder)
        return found

    def find(self, folder: str) -> SubmittedJob | None:  # noqa: ARG002
        """Find none: a job that could not be noted was ended at once."""
        return None

    def cancel(self, jobs: Sequence[SubmittedJob]) -> None:
        """Ask the supervisors to end. All that can be reached are asked, then SlurmtfError tells of the others."""
        elsewhere = [job for job in jobs if not _terminated(job)]
        problems = [
            Finding("other-host", f"process {job.ref.job_id}", _place(job), "log in there to cancel it") for job in elsewhere
        ]
        if problems:
            raise SlurmtfError(*problems)

    def job(self, job: SubmittedJob, folder: Path) -> Any:
        from slurmtf.scheduler.local_executor import LocalRunJob  # noqa: PLC0415

        return LocalRunJob(folder / "submitit", job.ref.name, submitted=job)


def _terminated(job: SubmittedJob) -> bool:
    """Ask a supervisor to end, unless it has; False when it is another machine's."""
    alive = job.process.alive() if job.process else False
    if job.process and alive:
        try:
            os.kill(job.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            return True
    return alive is not None


def _place(job: SubmittedJob) -> str:
    return f"runs on {job.process.host}" if job.process else "is not known"
