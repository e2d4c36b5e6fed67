"""submitit's local executor and job, for our batch script."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from submitit.local import local

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.schedulers import LOCAL
from slurmtf.processes import identify
from slurmtf.scheduler import local_processes
from slurmtf.scheduler.base import JobRef, Note, SubmittedJob, get_folder
from slurmtf.scheduler.environ import remove_job_variables


class LocalRunJob(local.LocalJob[Any]):
    """A run on this machine as submitit sees it, from any process."""

    def __init__(
        self,
        folder: Path | str,
        job_id: str,
        tasks: Sequence[int] = (0,),
        process: subprocess.Popen[bytes] | None = None,
        submitted: SubmittedJob | None = None,
    ) -> None:
        super().__init__(folder, job_id, tasks, process)
        self._submitted = submitted

    def get_info(self, mode: str = "force") -> dict[str, str]:  # noqa: ARG002
        """Return ``jobState``: RUNNING, FINISHED, or INTERRUPTED if the supervisor was killed."""
        if self.paths.result_pickle.exists():
            return {"jobState": "FINISHED"}
        process = self._submitted.process if self._submitted else None
        running = process is not None and process.is_alive() is not False
        return {"jobState": "RUNNING" if running else "INTERRUPTED"}

    def cancel(self, check: bool = True) -> None:  # noqa: ARG002
        """Ask the supervisor to end the run. Raises SlurmtfError if it runs on another machine."""
        if self._submitted is not None:
            local_processes.cancel([self._submitted])


class LocalRunExecutor(local.LocalExecutor):
    """submitit's local executor for a batch script, in a session of its own, so that it outlives the terminal."""

    job_class = LocalRunJob

    def __init__(
        self, folder: str | Path, script: Path, environ: Mapping[str, str], why: str, note: Note, number: int | None = None
    ) -> None:
        """``number`` is that of the array's element to start, which the script gets as its argument."""
        super().__init__(folder)
        self._number = number
        self._throttling = 0.0
        self._script = script
        self._layout = RunLayout(str(self.folder.parent))
        self._environ = remove_job_variables(environ)
        self._why, self._note = why, note

    @classmethod
    def affinity(cls) -> int:
        return -1

    def start(self) -> SubmittedJob:
        """Start the script; return its job."""
        self.submit(get_folder, self._layout.folder)
        return self.submitted

    def _submit_command(self, command: str) -> LocalRunJob:  # noqa: ARG002
        with open(os.open(self._layout.job_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            process = subprocess.Popen(
                ["bash", self._script, *([] if self._number is None else [str(self._number)])],
                cwd=self._layout.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ref, known = JobRef(None, str(process.pid)), identify(process.pid)
        job = SubmittedJob(ref, LOCAL, self._layout.folder, time.time(), self._why, process=known)
        self.submitted = replace(job, first=self._number or 0)
        try:
            self._note(self.submitted)
        except OSError:
            process.kill()
            process.wait()
            raise
        return LocalRunJob(self.folder, ref.name, process=process, submitted=self.submitted)
