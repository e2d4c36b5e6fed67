"""The interface of a scheduler (check, submit, observe, cancel), and what is known about a job."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from slurmtf.job.contract.interchange import JsonView
from slurmtf.processes import ProcessId, recognize
from slurmtf.scheduler.books import Ahead, JobUsage

if TYPE_CHECKING:
    from submitit.core import core


SUBMIT_SLACK_S = 300
"""Seconds by which the clocks of the submitting machine and the scheduler may differ."""
RECORD_LAG_S = 60
"""Seconds after a submission in which Slurm may not list the job yet."""

SEE_SCRIPT = "see the script: slurmtf render"
"""The remedy for a refusal that gives no known reason."""
NO_FOLDER = "Slurm's accounting does not say yet in which folder the job of this number works"


class JobState(Enum):
    """The state of a job. ``LOST``: the scheduler answered, and does not know the job. ``UNKNOWN``: its answer can't be
    interpreted."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    PREEMPTED = "PREEMPTED"
    NODE_FAIL = "NODE_FAIL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    BOOT_FAIL = "BOOT_FAIL"
    DEADLINE = "DEADLINE"
    LOST = "LOST"
    UNKNOWN = "UNKNOWN"

    @property
    def final(self) -> bool:
        """Whether the job will not run again."""
        return self is not JobState.UNKNOWN and self not in _STEPS

    @property
    def _step(self) -> int:
        """How far one start of a job has progressed: the later of two observations has the higher step."""
        return _STEPS.get(self, len(_STEPS))


_STEPS = {
    JobState.PENDING: 0,
    JobState.CONFIGURING: 1,
    JobState.RUNNING: 2,
    JobState.SUSPENDED: 2,
    JobState.COMPLETING: 3,
}


@dataclass(frozen=True)
class JobRef:
    """One job, or one element of an array. ``cluster`` is the cluster to query; None if there is only one."""

    cluster: str | None
    job_id: str
    element: int | None = None

    @property
    def name(self) -> str:
        """Its name in Slurm and submitit: ``33``, or ``33_4`` for an element."""
        return self.job_id if self.element is None else f"{self.job_id}_{self.element}"

    def __str__(self) -> str:
        """Return ``33_4``, with a cluster ``33_4;wice``, as ``sbatch --parsable`` does."""
        return f"{self.name};{self.cluster}" if self.cluster else self.name

    @classmethod
    def parse(cls, text: str) -> JobRef:
        """Parse a job's string form. Raises ValueError."""
        found = re.fullmatch(r"([^_;]+)(?:_([0-9]{1,9}))?(?:;(.+))?", text)
        if found is None:
            raise ValueError(f"{text!r} is not the number of a job")
        return cls(found[3], found[1], None if found[2] is None else int(found[2]))

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: JsonView) -> JobRef:
        """Return what :meth:`to_dict` wrote; unknown keys are ignored. Raises KeyError."""
        return cls(facts.get("cluster"), str(facts["job_id"]), facts.get("element"))


@dataclass(frozen=True)
class SubmittedJob:
    """A job as recorded when it was submitted.

    Schedulers reuse ids: a job is this one only if it works in ``folder``. ``submitted``: seconds since 1970, 0 if unknown.
    ``why``: why it was submitted. ``elements``: those of an array; ``first``: the number of the first of them in a larger array
    that was submitted in slices. ``process``: its supervisor, on a machine without a scheduler.
    """

    ref: JobRef
    scheduler: str
    folder: str
    submitted: float
    why: str = ""
    elements: int = 0
    first: int = 0
    process: ProcessId | None = None

    @property
    def each(self) -> list[SubmittedJob]:
        """Its elements, each as a job of its own; the job itself if it is not an array."""
        if not self.elements or self.ref.element is not None:
            return [self]
        return [replace(self, ref=replace(self.ref, element=element)) for element in range(self.elements)]

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "ref": self.ref.to_dict()}

    @classmethod
    def from_dict(cls, facts: JsonView) -> SubmittedJob:
        """Return what :meth:`to_dict` wrote; unknown keys are ignored. Raises KeyError, TypeError or ValueError."""
        return cls(
            JobRef.from_dict(facts["ref"]),
            str(facts["scheduler"]),
            str(facts["folder"]),
            float(facts["submitted"]),
            str(facts.get("why", "")),
            int(facts.get("elements", 0)),
            int(facts.get("first", 0)),
            recognize(facts.get("process")),
        )


@dataclass(frozen=True)
class Canceler:
    """Who canceled a job; ``uid`` is None if the scheduler did so by itself. ``is_owner``: it was the job's own user."""

    uid: int | None = None
    user: str = ""
    is_owner: bool = False


@dataclass(frozen=True)
class Observation:
    """A scheduler's facts about one job.

    Times are in seconds since 1970; ``start`` of a pending job is an estimate. ``folder`` is its working directory.
    ``canceler`` is None if it was not canceled, or the scheduler does not say by whom. ``unconfirmed``: accounting, which may
    know more, did not answer.
    """

    ref: JobRef
    state: JobState
    reason: str = ""
    start: float | None = None
    end: float | None = None
    nodes: str = ""
    exit_code: int | None = None
    signal: int | None = None
    folder: str = ""
    submitted: float | None = None
    canceler: Canceler | None = None
    unconfirmed: bool = False

    def matches(self, job: SubmittedJob) -> bool:
        """Return whether this is that job, and not another one with the same id.

        It works in that job's folder, and was not submitted before it; a requeued job gets a later time, never an earlier one.
        """
        return self.works_in(job.folder) and self._may_be(job)

    def works_in(self, folder: str) -> bool:
        return bool(self.folder) and os.path.normpath(self.folder) == os.path.normpath(folder)

    def may_match(self, job: SubmittedJob) -> bool:
        """Return whether this may be that job, as its folder is not known yet: slurmdbd may learn it only seconds after the
        end."""
        return not self.folder and self._may_be(job)

    def _may_be(self, job: SubmittedJob) -> bool:
        older = self.submitted is not None and self.submitted < job.submitted - SUBMIT_SLACK_S
        return self.ref == job.ref and not older


def match(jobs: Iterable[SubmittedJob], seen: Iterable[Observation]) -> dict[SubmittedJob, Observation]:
    """Return the observation of each job's last start; jobs without one are left out. If it is uncertain, the state is
    ``UNKNOWN``."""
    by_ref: dict[JobRef, list[Observation]] = {}
    for one in seen:
        by_ref.setdefault(one.ref, []).append(one)
    found: dict[SubmittedJob, Observation] = {}
    for job in jobs:
        mine = [one for one in by_ref.get(job.ref, ()) if one.matches(job)]
        if mine:
            found[job] = max(mine, key=lambda one: (one.submitted or 0, one.start or 0, one.state._step))
        elif any(one.may_match(job) for one in by_ref.get(job.ref, ())):
            found[job] = Observation(job.ref, JobState.UNKNOWN, NO_FOLDER)
    return found


@dataclass(frozen=True)
class Array:
    """An array of ``elements`` elements, of which ``at_once`` run at the same time; None: as many as the scheduler allows."""

    elements: int
    at_once: int | None = None


Note = Callable[[SubmittedJob], None]


class Scheduler(Protocol):
    """Where jobs run. Nothing is queried in a constructor, and everything is queried for all jobs at once."""

    name: str
    queues: bool
    """Whether a job may wait before it starts, so that another one can precede it."""
    cancel_command: str
    """The command that cancels a job by hand; the job's name follows."""
    ends_unnoted: bool
    """Whether a job that could not be recorded is ended at once, so that a failed submission leaves no job behind."""

    def check(self) -> None:
        """Raise UnreachableError if no job can be submitted from this machine."""

    def submit(
        self, script: Path, folder: Path, environ: Mapping[str, str], array: Array | None = None, *, why: str, note: Note
    ) -> list[SubmittedJob]:
        """Submit a batch script with the working directory ``folder`` through submitit, whose files go to ``submitit/`` in it.

        ``environ`` is the submitting environment, which may be that of a run or a job itself. ``array`` submits as many
        elements, in as few jobs as the scheduler allows; the script's first argument is the number of its job's first element.
        If jobs do not queue, each element is a job of its own, and all start at once. ``note`` is called with each job before
        anything else is done. Raises RefusedError or UnreachableError if there is no job, another SlurmError if that is not
        known.
        """

    def observe(self, jobs: Iterable[SubmittedJob], max_age_s: float = 0.0) -> dict[SubmittedJob, Observation]:
        """Return what is known about these jobs, individually for elements of arrays.

        Unknown jobs are left out, and so are jobs whose ids other jobs have now. ``max_age_s``: accept answers of up to this
        age, in seconds, that another process of the user got. Raises SlurmError if the scheduler can't be queried.
        """

    def find(self, folders: Mapping[str, float], max_age_s: float = 0.0) -> dict[str, list[SubmittedJob]]:
        """Return the jobs that work in folders, for each folder in the order of submission.

        ``folders`` maps each to when it was created, in seconds since 1970. A folder without a known job is left out.
        ``max_age_s`` as in :meth:`observe`. Raises SlurmError if the scheduler can't be queried.
        """

    def cancel(self, jobs: Sequence[SubmittedJob]) -> None:
        """Cancel these jobs, but no other job that has one of their ids now.

        Those that have ended are left as they are. Raises SlurmtfError if they can't be canceled, SlurmError if the scheduler
        does not answer.
        """

    def wait_for(self, job: SubmittedJob, dependency: str) -> None:
        """Make a job that waits for others wait for these instead; ``dependency`` as in sbatch(1).

        Raises SlurmError if the job is no longer waiting, or the scheduler does not answer.
        """

    def find_ahead(self, job: SubmittedJob) -> Ahead | None:
        """Return what is ahead of a waiting job in the queue; None if it is not waiting, or that is not known."""

    def read_usage(self, jobs: Sequence[SubmittedJob]) -> dict[SubmittedJob, JobUsage]:
        """Return the resources that jobs have used, according to accounting; jobs that it does not know are left out, and
        without accounting all are."""

    def open_job(self, job: SubmittedJob, folder: Path) -> core.Job[object]:
        """Return the submitit job: ``done()``, ``result()``, ``exception()`` ...; ``folder`` is where its folder is now."""


def get_folder(folder: str) -> str:
    """The function that submitit's pickle names. The job itself is started by its batch script, from its folder."""
    return folder
