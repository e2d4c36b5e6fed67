"""The scheduler Slurm."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.errors import RefusedError, UnreachableError
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import SUBMITIT
from slurmtf.job.contract.schedulers import SLURM
from slurmtf.scheduler.base import Array, Note, Observation, SubmittedJob
from slurmtf.scheduler.books import Ahead, JobUsage
from slurmtf.scheduler.slurm import commands
from slurmtf.scheduler.slurm import jobs as slurm_jobs
from slurmtf.scheduler.slurm.calls import run_command

if TYPE_CHECKING:
    from submitit.core import core


COMMANDS = ("sbatch", "squeue", "scancel")


def read_max_array_size(cluster: str | None) -> int:
    """Return how many elements one job array of a cluster may have. Raises SlurmError."""
    return commands.parse_max_array_size(run_command(commands.build_config_query(cluster)))


class SlurmScheduler:
    """Slurm on one cluster."""

    name = SLURM
    queues = True
    cancel_command = "scancel"
    ends_unnoted = False

    def __init__(self, cluster: str | None = None) -> None:
        self.cluster = cluster

    def check(self) -> None:
        missing = next((name for name in COMMANDS if shutil.which(name) is None), None)
        if missing:
            remedy = "submit from a login node of the cluster, or set `compute_target=local`"
            raise UnreachableError(
                Finding("no-slurm", "compute_target", f"there is no {missing} in PATH, so this machine has no Slurm", remedy)
            )

    def submit(
        self, script: Path, folder: Path, environ: Mapping[str, str], array: Array | None = None, *, why: str, note: Note
    ) -> list[SubmittedJob]:
        from slurmtf.scheduler.slurm.executor import SlurmtfExecutor  # noqa: PLC0415 - 60 ms that only a submission needs

        executor = SlurmtfExecutor(folder / SUBMITIT, script=script, cluster=self.cluster, environ=environ)
        if array is None:
            return [executor.submit_script(why, note)]
        done: list[SubmittedJob] = []
        try:
            for elements, at_once in commands.split_array(array, read_max_array_size(self.cluster)):
                done.append(executor.submit_script(why, note, elements, at_once))
        except RefusedError:
            self.cancel(done)
            raise
        return done

    def observe(self, jobs: Iterable[SubmittedJob], max_age_s: float = 0.0) -> dict[SubmittedJob, Observation]:
        return slurm_jobs.observe(jobs, self.cluster, max_age_s)

    def find(self, folders: Mapping[str, float], max_age_s: float = 0.0) -> dict[str, list[SubmittedJob]]:
        return slurm_jobs.find(folders, self.cluster, max_age_s)

    def cancel(self, jobs: Sequence[SubmittedJob]) -> None:
        slurm_jobs.cancel(jobs, self.cluster)

    def wait_for(self, job: SubmittedJob, dependency: str) -> None:
        run_command(commands.build_dependency_update(job.ref.job_id, dependency, self.cluster))

    def find_ahead(self, job: SubmittedJob) -> Ahead | None:
        return slurm_jobs.find_ahead(job, self.cluster)

    def read_usage(self, jobs: Sequence[SubmittedJob]) -> dict[SubmittedJob, JobUsage]:
        return slurm_jobs.read_usage(jobs, self.cluster)

    def open_job(self, job: SubmittedJob, folder: Path) -> core.Job[object]:
        from slurmtf.scheduler.slurm.executor import SlurmtfJob  # noqa: PLC0415

        return SlurmtfJob(folder / SUBMITIT, job.ref.name, submitted=job)
