"""Submission to Slurm through submitit."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from submitit.core import core

from slurmtf.errors import SlurmError
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan import LaunchPlan
from slurmtf.scheduler.environ import changes_for_sbatch
from slurmtf.scheduler.slurm import JobInfo, JobState, SlurmClient, commands
from slurmtf.submit.record import JobRecord, layout_of, read_record

RECORD_LAG_S = 60
"""Seconds after a submission in which Slurm may not know the job yet."""
logger = logging.getLogger(__name__)


class JobWatcher(core.InfoWatcher):
    """submitit's view of job states, from squeue first: it works on clusters without accounting, and it ends.

    A job that Slurm has forgotten is ``LOST``, which is an end; submitit's own watcher would wait for it for ever.
    """

    def __init__(self, client: SlurmClient, delay_s: int = 60) -> None:
        super().__init__(delay_s)
        self._client = client
        self._born: dict[str, float] = {}

    def register_job(self, job_id: str) -> None:
        self._born.setdefault(job_id, time.time())
        super().register_job(job_id)

    def update(self) -> None:
        """Ask Slurm for all jobs that have not ended, in two calls at most."""
        asked = self._registered - self._finished
        if not asked:
            return
        self._num_calls += 1
        self._last_status_check = time.time()
        try:
            found = self._client.jobs(asked)
        except SlurmError as err:
            logger.warning("%s", err)
            return
        self._info_dict.update({job_id: _as_info(job) for job_id, job in found.items()})
        for job_id in asked - found.keys():
            if time.time() - self._born[job_id] > RECORD_LAG_S:
                self._info_dict[job_id] = {"JobID": job_id, "State": JobState.LOST.value}
        self._finished |= {job_id for job_id in asked if self.is_done(job_id, mode="cache")}

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        return str(self.get_info(job_id, mode=mode).get("State", "UNKNOWN"))

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        state = self.get_state(job_id, mode=mode)
        return state != "UNKNOWN" and JobState(state).final


def _as_info(job: JobInfo) -> dict[str, str]:
    return {"JobID": job.job_id, "State": job.state.value, "NodeList": job.nodes, "Reason": job.reason}


@functools.cache
def watcher_of(cluster: str | None) -> JobWatcher:
    """Return the one watcher of a cluster, so that all its jobs are asked for together."""
    return JobWatcher(SlurmClient(cluster))


class SlurmtfJob(core.Job[Any]):
    """A run's job as submitit sees it: ``done()``, ``result()``, ``exception()``, ``cancel()`` ..."""

    _cancel_command = "scancel"

    def __init__(self, folder: Path | str, job_id: str, tasks: Sequence[int] = (0,)) -> None:
        record = read_record(layout_of(Path(folder)))
        self._cluster = record.cluster if record else None
        self.watcher = watcher_of(self._cluster)
        super().__init__(folder, job_id, tasks)

    def cancel(self, check: bool = True) -> None:
        """End the job. Raises SlurmError, unless ``check`` is false."""
        try:
            SlurmClient(self._cluster).cancel([self.job_id])
        except SlurmError:
            if check:
                raise


class SlurmtfExecutor(core.PicklingExecutor):
    """A submitit executor for the batch script of a plan."""

    job_class = SlurmtfJob

    def __init__(self, folder: str | Path, plan: LaunchPlan, script: str) -> None:
        super().__init__(folder)
        self._throttling = 0.0
        self._layout = RunLayout(plan.run.folder)
        self._script = script
        self._cluster = plan.cluster
        self._changes = changes_for_sbatch(os.environ, [flag for flag, _ in plan.directives])

    @classmethod
    def affinity(cls) -> int:
        """Never be chosen by submitit's AutoExecutor: we run plans, not functions."""
        return -1

    def _num_tasks(self) -> int:
        return 1

    def _make_submission_file_text(self, command: str, uid: str) -> str:  # noqa: ARG002
        return self._script

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:  # noqa: ARG002
        return commands.sbatch(self._layout.script, *self._changes)

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        return commands.parse_sbatch(string if isinstance(string, str) else string.decode())

    def _write_job_id(self, job_id: str, uid: str) -> None:  # noqa: ARG002
        JobRecord(job_id, "slurm", self._cluster, time.time()).write(self._layout)
