"""Submit to Slurm through submitit."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

from submitit.core import core
from submitit.core.utils import FailedJobError

from slurmtf.errors import SlurmError
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.schedulers import SLURM
from slurmtf.scheduler.base import RECORD_LAG_S, JobRef, JobState, Note, Observation, SubmittedJob, get_folder
from slurmtf.scheduler.environ import remove_run_variables
from slurmtf.scheduler.slurm import commands
from slurmtf.scheduler.slurm import jobs as slurm_jobs
from slurmtf.scheduler.slurm.refusal import describe_refusal

logger = logging.getLogger(__name__)


class JobWatcher(core.InfoWatcher):
    """submitit's watcher of job states, which asks squeue first, so it also works on clusters without accounting.

    A job that Slurm has forgotten has ended: it is ``LOST``. submitit's own watcher would wait for it forever.
    """

    def __init__(self, cluster: str | None = None, delay_s: int = 60) -> None:
        super().__init__(delay_s)
        self._cluster = cluster
        self._jobs: dict[str, SubmittedJob] = {}
        self._born: dict[str, float] = {}

    def can_watch(self, job: SubmittedJob) -> bool:
        """Return whether this watcher watches this job, or no other job with the same id."""
        return self._jobs.get(job.ref.name, job).folder == job.folder

    def register(self, job: SubmittedJob) -> None:
        self._jobs[job.ref.name] = job
        self._born.setdefault(job.ref.name, time.time())
        self.register_job(job.ref.name)

    def update(self) -> None:
        """Query Slurm about all jobs that have not ended, in at most two calls."""
        asked = [self._jobs[name] for name in self._registered - self._finished]
        if not asked:
            return
        self._num_calls += 1
        self._last_status_check = time.time()
        try:
            found = slurm_jobs.observe(asked, self._cluster)
        except SlurmError as err:
            logger.warning("%s", err)
            return
        self._info_dict.update({job.ref.name: _as_info(seen) for job, seen in found.items()})
        for name in {job.ref.name for job in asked if job not in found}:
            if time.time() - self._born[name] > RECORD_LAG_S:
                self._info_dict[name] = {"JobID": name, "State": JobState.LOST.value}
        self._finished |= {job.ref.name for job in asked if self.is_done(job.ref.name, mode="cache")}

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        return str(self.get_info(job_id, mode=mode).get("State", "UNKNOWN"))

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        state = self.get_state(job_id, mode=mode)
        return state != "UNKNOWN" and JobState(state).final


def _as_info(seen: Observation) -> dict[str, str]:
    return {"JobID": seen.ref.name, "State": seen.state.value, "NodeList": seen.nodes, "Reason": seen.reason}


WATCHERS: dict[str | None, list[JobWatcher]] = {}


def get_watcher(job: SubmittedJob) -> JobWatcher:
    """Return the cluster's watcher, which queries all its jobs together; a new one if a job id is reused."""
    watchers = WATCHERS.setdefault(job.ref.cluster, [])
    found = next((watcher for watcher in watchers if watcher.can_watch(job)), None)
    if found is None:
        found = JobWatcher(job.ref.cluster)
        watchers.append(found)
    return found


class SlurmtfJob(core.Job[object]):
    """A job as submitit sees it: ``done()``, ``result()``, ``exception()``, ``cancel()`` ..."""

    _cancel_command = "scancel"

    def __init__(
        self, folder: Path | str, job_id: str, tasks: Sequence[int] = (0,), submitted: SubmittedJob | None = None
    ) -> None:
        self._submitted = submitted
        super().__init__(folder, job_id, tasks)

    def _register_in_watcher(self) -> None:
        if self._submitted is not None:
            self.watch(self._submitted)

    def watch(self, job: SubmittedJob) -> None:
        """Query this job from now on."""
        self._submitted = job
        self.watcher = get_watcher(job)
        self.watcher.register(job)

    def cancel(self, check: bool = True) -> None:
        """Cancel the job. Raises SlurmError, unless ``check`` is false."""
        if self._submitted is None:
            return
        try:
            slurm_jobs.cancel([self._submitted], self._submitted.ref.cluster)
        except SlurmError:
            if check:
                raise


class Request(NamedTuple):
    """One submission: why, who is told of its job, and which elements of an array it has."""

    why: str
    note: Note
    elements: range | None = None
    at_once: int | None = None


class SlurmtfExecutor(core.PicklingExecutor):
    """A submitit executor that submits our batch script and keeps submitit's files in a folder of their own."""

    job_class = SlurmtfJob

    def __init__(
        self, folder: str | Path, script: Path, cluster: str | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder)
        self._throttling = 0.0
        self._script = script
        self._text = script.read_text(encoding="utf-8", errors="surrogateescape")
        self._cluster = cluster
        self._changes = find_variable_changes(environ or {}, parse_flags(self._text))
        self._request = Request("", _ignore_job)
        self._submitted = SubmittedJob(JobRef(cluster, ""), SLURM, "", 0.0)

    def submit_script(self, why: str, note: Note, elements: range | None = None, at_once: int | None = None) -> SubmittedJob:
        """Submit the script, as an array of these elements of a larger one. ``note`` is called with the job at once.

        Raises RefusedError or SlurmError.
        """
        self._request = Request(why, note, elements, at_once)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # submitit also prints the errors that it raises
                self.submit(get_folder, str(self.folder.parent))
        except FailedJobError as err:
            output = str(getattr(err.__cause__, "output", None) or "")
            if commands.parse_sbatch(output) is None:
                raise describe_refusal(str(err), output, self._text) from None
            self._write_job_id(self._get_job_id_from_submission_command(output), "")  # a wrapper that failed after sbatch
        return self._submitted

    @classmethod
    def affinity(cls) -> int:
        """Return a value with which submitit's AutoExecutor never chooses this executor: we run scripts, not functions."""
        return -1

    def _num_tasks(self) -> int:
        return 1

    def _make_submission_file_text(self, command: str, uid: str) -> str:  # noqa: ARG002
        return self._text

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:  # noqa: ARG002
        return commands.build_sbatch(str(self._script), *self._changes, self._request.elements, self._request.at_once)

    def _get_job_id_from_submission_command(self, string: bytes | str) -> str:  # type: ignore[override] # with the cluster
        ref = self._find_ref(string if isinstance(string, str) else string.decode())
        self._submitted = SubmittedJob(ref, SLURM, str(self.folder.parent), time.time(), self._request.why)
        elements = self._request.elements
        if elements is not None:
            self._submitted = replace(self._submitted, elements=len(elements), first=elements.start)
        return ref.job_id

    def _find_ref(self, output: str) -> JobRef:
        """Return the job that sbatch named; if its output can't be read, the one that works in our folder. Raises
        SlurmError."""
        ref = commands.parse_sbatch(output)
        if ref is not None and (ref.cluster or not commands.is_several(self._cluster)):
            return JobRef(ref.cluster or self._cluster, ref.job_id)
        folder = str(self.folder.parent)
        found = slurm_jobs.find({folder: time.time()}, self._cluster).get(folder)
        if not found:
            what = f"did not say which job it submitted: {output.strip()!r}; no job of yours works in {folder}"
            raise SlurmError(Finding("no-job-id", "sbatch", what, "see 'squeue --me', and ask the site about its sbatch"))
        return found[-1].ref

    def _write_job_id(self, job_id: str, uid: str) -> None:  # noqa: ARG002
        self._request.note(self._submitted)

    def _submit_command(self, command: str) -> SlurmtfJob:
        job = cast(SlurmtfJob, super()._submit_command(command))
        job.watch(self._submitted)
        return job


def parse_flags(script: str) -> list[str]:
    """Return the long flags that a batch script sets for sbatch."""
    return re.findall(r"^#SBATCH --([a-z][a-z-]*)", script, re.MULTILINE)


def find_variable_changes(environ: Mapping[str, str], flags: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Return the variables to remove for sbatch, and those to change, so that it does not inherit the GPUs of our own job."""
    kept = remove_run_variables(environ)
    inside = environ.keys() & {var.SLURM_JOB_ID, var.SLURMTF_RUN_FOLDER}
    gpus = environ.keys() & set(var.GPUS.values()) if inside else set()
    dropped = {*(environ.keys() - kept.keys()), *gpus, *commands.find_inherited(environ, flags)}
    return sorted(dropped), {name: value for name, value in kept.items() if environ[name] != value}


def _ignore_job(job: SubmittedJob) -> None:  # noqa: ARG001
    return
