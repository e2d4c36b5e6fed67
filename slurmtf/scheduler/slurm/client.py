"""Slurm's commands, run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable

from slurmtf.errors import Problem, SlurmError
from slurmtf.scheduler.slurm import commands
from slurmtf.scheduler.slurm.states import JobInfo

TIMEOUT_S = 60
TRIES = 3
PATIENCE_S = 5
"""A command that fails after more seconds is not tried again: it has tried itself (slurm.conf(5), MessageTimeout)."""
TRANSIENT = (
    "Socket timed out",
    "Unable to contact slurm controller",
    "Resource temporarily unavailable",
    "Connection refused",
)


class SlurmClient:
    """One cluster's Slurm. Every question is asked for all jobs at once."""

    def __init__(self, cluster: str | None = None) -> None:
        self._cluster = cluster

    @staticmethod
    def missing() -> str | None:
        """Return the first command that is not in PATH."""
        return next((name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None), None)

    def jobs(self, job_ids: Collection[str]) -> dict[str, JobInfo]:
        """Return what Slurm knows of the jobs: of squeue, and of sacct for those that squeue has forgotten.

        A job that is in neither is not in the answer. Two calls at most, whatever their number. Raises SlurmError.
        """
        found = {job.job_id: job for job in self.mine() if job.job_id in job_ids}
        forgotten = sorted(set(job_ids) - found.keys())
        return {**found, **(self._accounted(forgotten) if forgotten else {})}

    def mine(self) -> list[JobInfo]:
        """Return all of the user's jobs that slurmctld remembers. Raises SlurmError."""
        return commands.parse_squeue(_output(commands.squeue(self._cluster)))

    def _accounted(self, job_ids: Iterable[str]) -> dict[str, JobInfo]:
        """Return what the accounting knows; nothing on a cluster without one."""
        if shutil.which("sacct") is None:
            return {}
        try:
            text = _output(commands.sacct(job_ids, self._cluster))
        except SlurmError:
            return {}
        return {job.job_id: job for job in commands.parse_sacct(text)}

    def submit(self, script: str, flags: Iterable[str]) -> str:
        """Submit a script that gives these flags, and return its job. Raises CalledProcessError with Slurm's own words."""
        argv = commands.sbatch(script, commands.inherited(os.environ, flags))
        done = _run(argv)
        done.check_returncode()
        return commands.parse_sbatch(done.stdout)

    def cancel(self, job_ids: Iterable[str]) -> None:
        """End jobs. Raises SlurmError."""
        _output(commands.scancel(job_ids, self._cluster))


def _output(argv: list[str]) -> str:
    """Run a command and return what it prints; tried again when the controller is too busy to answer."""
    began = time.monotonic()
    for attempt in range(1, TRIES + 1):
        try:
            done = _run(argv)
        except FileNotFoundError:
            raise SlurmError(Problem(argv[0], "is not in PATH", "run slurmtf on a login node of the cluster")) from None
        except subprocess.TimeoutExpired:
            raise SlurmError(Problem(argv[0], f"did not answer in {TIMEOUT_S} s", "try again later")) from None
        if done.returncode == 0:
            return done.stdout
        last = attempt == TRIES or time.monotonic() - began > PATIENCE_S
        if last or not any(word in done.stderr for word in TRANSIENT):
            raise SlurmError(Problem(argv[0], done.stderr.strip() or f"exit code {done.returncode}", "try again later"))
        time.sleep(2**attempt)
    raise AssertionError("unreachable")


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # the folder of any other job of the user may stand in the answer
        timeout=TIMEOUT_S,
        env=_environment(),
        check=False,
    )


def _environment() -> dict[str, str]:
    """Return our environment with Slurm's times as seconds since 1970, whatever the user prefers to read."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("SQUEUE_", "SACCT_"))}
    return {**mine, "SLURM_TIME_FORMAT": "%s"}
