"""Runs on this machine, through submitit's local executor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from submitit.local import local

from slurmtf.errors import Problem, SlurmtfError
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan import LaunchPlan
from slurmtf.processes import identify
from slurmtf.scheduler.environ import of_local_run
from slurmtf.submit.record import JobRecord, current_record, layout_of


class LocalRunJob(local.LocalJob[Any]):
    """A run on this machine as submitit sees it, from any process: the supervisor's pid is the job's id."""

    def get_info(self, mode: str = "force") -> dict[str, str]:  # noqa: ARG002
        """Return ``jobState``: RUNNING, FINISHED, or INTERRUPTED when the supervisor was killed."""
        if self.paths.result_pickle.exists():
            return {"jobState": "FINISHED"}
        record = current_record(layout_of(self.paths.folder))
        running = record is not None and record.process is not None and record.process.alive() is not False
        return {"jobState": "RUNNING" if running else "INTERRUPTED"}

    def cancel(self, check: bool = True) -> None:  # noqa: ARG002
        """Ask the supervisor to end the run. Raises SlurmtfError when it runs on another machine."""
        record = current_record(layout_of(self.paths.folder))
        process = record.process if record else None
        if process and process.alive() is None:
            raise SlurmtfError(Problem(f"process {process.pid}", f"runs on {process.host}", "log in there to end it"))
        if process and process.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)


class LocalRunExecutor(local.LocalExecutor):
    """submitit's local executor for the batch script of a plan, in a session of its own: it outlives the terminal."""

    job_class = LocalRunJob

    def __init__(self, folder: str | Path, plan: LaunchPlan) -> None:
        super().__init__(folder)
        self._throttling = 0.0
        self._layout = RunLayout(plan.run.folder)

    @classmethod
    def affinity(cls) -> int:
        return -1

    def _submit_command(self, command: str) -> LocalRunJob:  # noqa: ARG002
        with open(os.open(self._layout.job_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            process = subprocess.Popen(
                ["bash", self._layout.script],
                cwd=self._layout.folder,
                env=of_local_run(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        record = JobRecord(str(process.pid), "local", None, time.time(), identify(process.pid))
        try:
            record.write(self._layout)
        except OSError:
            process.kill()
            process.wait()
            raise
        return LocalRunJob(folder=self.folder, job_id=record.job_id, process=process)
