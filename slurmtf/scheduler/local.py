"""This machine, through submitit's local executor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.job.contract.layout import SUBMITIT
from slurmtf.job.contract.schedulers import LOCAL
from slurmtf.scheduler import local_processes
from slurmtf.scheduler.base import Array, Note, Observation, SubmittedJob
from slurmtf.scheduler.books import Ahead, JobUsage

if TYPE_CHECKING:
    from submitit.core import core


class LocalScheduler:
    """This machine: a job is a process, its supervisor, whose pid is the job's id.

    Nothing queues here, so the elements of an array are jobs that all start at once, no more of them than may run at once.
    """

    name = LOCAL
    queues = False
    cancel_command = "kill"
    ends_unnoted = True

    def __init__(self, cluster: str | None = None) -> None:
        """Ignore the cluster: there is only this machine."""

    def check(self) -> None:
        """Do nothing: this machine is always available."""

    def submit(
        self, script: Path, folder: Path, environ: Mapping[str, str], array: Array | None = None, *, why: str, note: Note
    ) -> list[SubmittedJob]:
        from slurmtf.scheduler.local_executor import LocalRunExecutor  # noqa: PLC0415 - 60 ms that only a submission needs

        if array is None:
            return [LocalRunExecutor(folder / SUBMITIT, script, environ, why, note).start()]
        done: list[SubmittedJob] = []
        try:
            for number in range(min(array.elements, array.at_once or array.elements)):
                done.append(LocalRunExecutor(folder / SUBMITIT, script, environ, why, note, number).start())
        except BaseException:
            self.cancel(done)
            raise
        return done

    def observe(self, jobs: Iterable[SubmittedJob], max_age_s: float = 0.0) -> dict[SubmittedJob, Observation]:  # noqa: ARG002
        return local_processes.observe(jobs)

    def find(self, folders: Mapping[str, float], max_age_s: float = 0.0) -> dict[str, list[SubmittedJob]]:  # noqa: ARG002
        """Find nothing: a job that could not be recorded was ended at once."""
        return {}

    def cancel(self, jobs: Sequence[SubmittedJob]) -> None:
        local_processes.cancel(jobs)

    def wait_for(self, job: SubmittedJob, dependency: str) -> None:
        """Do nothing: no job waits here."""

    def find_ahead(self, job: SubmittedJob) -> Ahead | None:  # noqa: ARG002
        """Return None: no job waits here."""
        return None

    def read_usage(self, jobs: Sequence[SubmittedJob]) -> dict[SubmittedJob, JobUsage]:  # noqa: ARG002
        """Return nothing: there is no accounting."""
        return {}

    def open_job(self, job: SubmittedJob, folder: Path) -> core.Job[object]:
        from slurmtf.scheduler.local_executor import LocalRunJob  # noqa: PLC0415

        return LocalRunJob(folder / SUBMITIT, job.ref.name, submitted=job)
