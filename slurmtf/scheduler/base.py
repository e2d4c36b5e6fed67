"""What every scheduler does: check, submit, observe, cancel; and what is said of a job."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from slurmtf.processes import ProcessId, recognize
from slurmtf.scheduler.books import Ahead, JobUsage

SUBMIT_SLACK_S = 300
"""By how many seconds the clocks of the machine that submits and of the scheduler may differ."""
RECORD_LAG_S = 60
"""Seconds after a submission in which Slurm may not list the job yet."""

SEE_SCRIPT = "see the script: slurmtf render"
"""What to do about a refusal that says nothing of what is known."""
NO_FOLDER = "Slurm's accounting does not say yet in which folder the job of this number works"


class JobState(Enum):
    """Where a job is. ``LOST``: the scheduler answered, and knows no such job. ``UNKNOWN``: it said what we can't read."""

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
        """How far one start of a job has come: of two observations of it, the later one is further."""
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
    """One job, or one element of an array. ``cluster``: the one to ask for it; None: the only one that there is."""

    cluster: str | None
    job_id: str
    element: int | None = None

    @property
    def name(self) -> str:
        """The name that Slurm and submitit have for it: ``33``, of an element ``33_4``."""
        return self.job_id if self.element is None else f"{self.job_id}_{self.element}"

    def __str__(self) -> str:
        """Return ``33_4``, with a cluster ``33_4;wice``, as ``sbatch --parsable`` does."""
        return f"{self.name};{self.cluster}" if self.cluster else self.name

    @classmethod
    def parse(cls, text: str) -> JobRef:
        """Return the job of its string form. Raises ValueError."""
        found = re.fullmatch(r"([^_;]+)(?:_([0-9]{1,9}))?(?:;(.+))?", text)
        if found is None:
            raise ValueError(f"{text!r} is not the number of a job")
        return cls(found[3], found[1], None if found[2] is None else int(found[2]))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> JobRef:
        """Return what :meth:`to_dict` wrote; unknown keys are taken. Raises KeyError."""
        return cls(facts.get("cluster"), str(facts["job_id"]), facts.get("element"))


@dataclass(frozen=True)
class SubmittedJob:
    """A job as it was written down when it was submitted.

    A scheduler uses its numbers again: a job is this one only if it works in ``folder``. ``submitted``: seconds since 1970, 0
    where that is not known. ``why`` it was submitted; ``elements`` of an array, of which the first is the number ``first`` of
    a larger one that was submitted in slices. ``process``: its supervisor, on a machine without a scheduler.
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
        """Its elements, each as a job of its own; itself, when it is no array."""
        if not self.elements or self.ref.element is not None:
            return [self]
        return [replace(self, ref=replace(self.ref, element=element)) for element in range(self.elements)]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ref": self.ref.to_dict()}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> SubmittedJob:
        """Return what :meth:`to_dict` wrote; unknown keys are taken. Raises KeyError, TypeError or ValueError."""
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
    """Who had a job canceled; ``uid`` is None where the scheduler did so by itself. ``is_owner``: the user whose job it was."""

    uid: int | None = None
    user: str = ""
    is_owner: bool = False


@dataclass(frozen=True)
class Observation:
    """What a scheduler says of one job.

    Times in seconds since 1970; ``start`` of a pending job is an estimate. ``folder`` is its working directory. ``canceler`` is
    None where it was not canceled, or it does not say by whom.
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

    def shows(self, job: SubmittedJob) -> bool:
        """Tell whether this is that job, and not another one that has its number.

        It works in that job's folder, and was not submitted before it; a requeued job gets a later time, never an earlier one.
        """
        return self.works_in(job.folder) and self._may_be(job)

    def works_in(self, folder: str) -> bool:
        return bool(self.folder) and os.path.normpath(self.folder) == os.path.normpath(folder)

    def hints_at(self, job: SubmittedJob) -> bool:
        """Tell whether this may be that job: its folder is not known yet. slurmdbd may learn it seconds after the end."""
        return not self.folder and self._may_be(job)

    def _may_be(self, job: SubmittedJob) -> bool:
        older = self.submitted is not None and self.submitted < job.submitted - SUBMIT_SLACK_S
        return self.ref == job.ref and not older


def match(jobs: Iterable[SubmittedJob], seen: Iterable[Observation]) -> dict[SubmittedJob, Observation]:
    """Return for each job what was seen of it, its last start; jobs of which nothing was seen are left out.

    What only may be a job's is ``UNKNOWN``.
    """
    by_ref: dict[JobRef, list[Observation]] = {}
    for one in seen:
        by_ref.setdefault(one.ref, []).append(one)
    found: dict[SubmittedJob, Observation] = {}
    for job in jobs:
        mine = [one for one in by_ref.get(job.ref, ()) if one.shows(job)]
        if mine:
            found[job] = max(mine, key=lambda one: (one.submitted or 0, one.start or 0, one.state._step))
        elif any(one.hints_at(job) for one in by_ref.get(job.ref, ())):
            found[job] = Observation(job.ref, JobState.UNKNOWN, NO_FOLDER)
    return found


@dataclass(frozen=True)
class Array:
    """A job of so many ``elements``, of which ``at_once`` run at the same time; None: as many as the scheduler has room for."""

    elements: int
    at_once: int | None = None


Note = Callable[[SubmittedJob], None]


class Scheduler(Protocol):
    """Where jobs run. Nothing is asked in a constructor, and everything is asked for all jobs at once."""

    name: str
    queues: bool
    """Whether a job may wait before it starts, so that another one can come before it."""
    cancel_command: str
    """What cancels a job by hand; its name follows."""
    ends_unnoted: bool
    """Whether a job that could not be noted is ended at once: then a submission that failed has left none."""

    def check(self) -> None:
        """Raise UnreachableError when no job can be submitted from this machine."""

    def submit(
        self, script: Path, folder: Path, environ: Mapping[str, str], array: Array | None = None, *, why: str, note: Note
    ) -> list[SubmittedJob]:
        """Submit a batch script whose working directory is ``folder``, by submitit, whose files go to ``submitit/`` in it.

        ``environ`` is where it is submitted from, which may be a run or a job itself. ``array``: as so many elements, in as
        few jobs as the scheduler allows; the script's first argument is the number of its job's first element. Where nothing
        waits each element is a job of its own, and all start at once. ``note`` is told each job before anything else is done.

        Raises RefusedError or UnreachableError when there is no job, another SlurmError when that is not known.
        """

    def observe(self, jobs: Iterable[SubmittedJob], max_age_s: float = 0.0) -> dict[SubmittedJob, Observation]:
        """Return what is known of these jobs, elements of arrays one by one. A job that is not known is left out, and so is
        one whose number another job has. ``max_age_s``: an answer that another process of the user got so long ago will do.

        Raises SlurmError when that can't be asked.
        """

    def find(self, folders: Mapping[str, float], max_age_s: float = 0.0) -> dict[str, list[SubmittedJob]]:
        """Return the jobs that work in folders, of each in the order of their submission; ``folders`` says when each was built,
        in seconds since 1970. A folder of which no job is known is left out. ``max_age_s`` as in :meth:`observe`.

        Raises SlurmError when that can't be asked.
        """

    def cancel(self, jobs: Sequence[SubmittedJob]) -> None:
        """Cancel these jobs, and no other that has the number of one by now. Those that have ended stay as they are.

        Raises SlurmtfError when they can't be, SlurmError when the scheduler does not answer.
        """

    def wait_for(self, job: SubmittedJob, dependency: str) -> None:
        """Have a job that waits for others wait for these instead; ``dependency`` as sbatch(1) takes it.

        Raises SlurmError when the job does not wait any more, or the scheduler does not answer.
        """

    def ahead(self, job: SubmittedJob) -> Ahead | None:
        """Return what stands before a job that waits; None where it does not, or nobody tells."""

    def books(self, jobs: Sequence[SubmittedJob]) -> dict[SubmittedJob, JobUsage]:
        """Return what the books say that jobs have used; of a job that they don't know, or where there are none, nothing."""

    def job(self, job: SubmittedJob, folder: Path) -> Any:
        """Return the submitit job: ``done()``, ``result()``, ``exception()`` ...; ``folder`` is where its folder is now."""


def started(folder: str) -> str:
    """The function that submitit's pickle names: a job is started by its batch script, from its folder."""
    return folder
