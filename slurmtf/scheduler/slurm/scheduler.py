"""Slurm."""

from __future__ import annotations

import functools
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slurmtf.errors import RefusedError, SlurmError, UnreachableError
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.scheduler.base import Array, Note, Observation, SubmittedJob, match
from slurmtf.scheduler.slurm import commands
from slurmtf.scheduler.slurm.calls import output

RECORD_LAG_S = 60
"""Seconds after a submission in which Slurm may not list the job yet."""
CLUSTERS = (var.SBATCH_CLUSTERS, var.SLURM_CLUSTERS)
COMMANDS = ("sbatch", "squeue", "scancel")


def cancellable(jobs: Iterable[SubmittedJob], queue: Sequence[Observation], now: float) -> list[str]:
    """Return the names of the jobs that may be canceled: of ours that have not ended, and of those too young to be listed.

    Some sites answer squeue from a cache. A job whose number is listed in another folder is not ours any more, however young.
    """
    alive = {job for job, seen in match([one for job in jobs for one in job.each], queue).items() if not seen.state.final}
    listed = {seen.ref.job_id for seen in queue}
    young = {job for job in jobs if job.ref.job_id not in listed and now - job.submitted < RECORD_LAG_S}
    return [job.ref.name for job in jobs if job in young or alive.intersection(job.each)]


@functools.cache
def max_array_size(cluster: str | None) -> int:
    """Return how many elements one job array of a cluster may have. Asked once for each process. Raises SlurmError."""
    return commands.parse_max_array_size(output(commands.show_config(cluster)))


class SlurmScheduler:
    """One cluster's Slurm."""

    name = "slurm"
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
        from slurmtf.scheduler.slurm.executor import SlurmtfExecutor  # noqa: PLC0415 - 60 ms, which only a submission pays

        executor = SlurmtfExecutor(folder / "submitit", script=script, cluster=self.cluster, environ=environ)
        if array is None:
            return [executor.submit_script(why, note)]
        done: list[SubmittedJob] = []
        try:
            for elements, at_once in commands.slices(array, max_array_size(self.cluster)):
                done.append(executor.submit_script(why, note, elements, at_once))
        except RefusedError:
            self.cancel(done)
            raise
        return done

    def observe(self, jobs: Iterable[SubmittedJob]) -> dict[SubmittedJob, Observation]:
        """Ask squeue, and sacct for those that it has forgotten: two calls at most, whatever their number."""
        asked = [one for job in jobs for one in job.each]
        found = match(asked, self.mine())
        forgotten = [job for job in asked if job not in found]
        return {**found, **match(forgotten, self._accounted({job.ref.job_id for job in forgotten}))}

    def mine(self) -> list[Observation]:
        """Return all of the user's jobs that slurmctld remembers. Raises SlurmError."""
        return commands.parse_squeue(output(commands.squeue(self.cluster)), self.cluster)

    def _accounted(self, job_ids: Iterable[str]) -> list[Observation]:
        """Return what the accounting knows; nothing on a cluster without one."""
        ids = sorted(job_ids)
        if not ids or shutil.which("sacct") is None:
            return []
        try:
            return commands.parse_sacct(output(commands.sacct(ids, self.cluster)), self.cluster)
        except SlurmError:
            return []

    def find(self, folder: str) -> SubmittedJob | None:
        """Look in the queue, of the clusters that sbatch takes by default; the last one, of several."""
        clusters = self.cluster or next(filter(None, map(os.environ.get, CLUSTERS)), None)
        seen = [one for one in SlurmScheduler(clusters).mine() if one.works_in(folder)]
        last = max(seen, key=lambda one: one.submitted or 0, default=None)
        return SubmittedJob(replace(last.ref, element=None), self.name, folder, last.submitted or 0.0) if last else None

    def cancel(self, jobs: Sequence[SubmittedJob]) -> None:
        """Look for the jobs, then cancel those that are there and ours: one question and one order, whatever their number.

        Between the two no number changes hands: slurmctld gives it to another job only when it has forgotten ours, MinJobAge
        after its end, which is no less than two seconds; and scancel's filters would have it send the whole queue first.
        """
        names = cancellable(jobs, self.mine(), time.time()) if jobs else []
        if names:
            output(commands.scancel(names, self.cluster))

    def job(self, job: SubmittedJob, folder: Path) -> Any:
        from slurmtf.scheduler.slurm.executor import SlurmtfJob  # noqa: PLC0415

        return SlurmtfJob(folder / "submitit", job.ref.name, submitted=job)
