"""Where a run is: facts, without a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.states.words import outcome_line, outcome_text
from slurmtf.scheduler import JobRef

if TYPE_CHECKING:
    from slurmtf.job.contract.attempt.events import Restart


class RunStatus(str, Enum):
    """The states of a run."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    STARTING = "Starting"
    RUNNING = "Running"
    PAUSED = "Paused"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    NOT_RESPONDING = "NotResponding"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)


class DoubtKind(str, Enum):
    """Why a state may be out of date."""

    UNREACHABLE = "unreachable"
    """The scheduler could not be asked."""
    UNKNOWN_STATE = "unknown-state"
    """It named a state that slurmtf does not know."""
    ELSEWHERE = "elsewhere"
    """The run is on another machine, and only from there its process can be seen."""
    NOT_LISTED = "not-listed"
    """The scheduler does not list the job yet."""


@dataclass(frozen=True)
class Doubt:
    """A reason to doubt a state; ``detail`` is what the scheduler said, or the machine."""

    kind: DoubtKind
    detail: str = ""


@dataclass(frozen=True)
class Staging:
    """How many nodes have got the software and data that are brought to their disks, and how many shall get them."""

    ready: int
    nodes: int


@dataclass(frozen=True)
class Again:
    """What was decided after the last failure, by the run's own ``restarts``, or done by Slurm alone: see
    :class:`..job.contract.attempt.events.Restart`. ``seconds`` 0: nobody knows."""

    how: str = ""
    why: str = ""
    cause: str = ""
    number: int = 0
    at_most: int | None = None
    seconds: float = 0.0
    exclude: tuple[str, ...] = ()
    memory_mb: int = 0

    @classmethod
    def of(cls, event: Restart) -> Again:
        exclude = tuple(map(str, event.exclude))
        facts = {one.name: getattr(event, one.name) for one in fields(cls) if one.name != "exclude"}
        return cls(exclude=exclude, **facts)


class Brief(NamedTuple):
    """What a list shows of a run: its status as a text, its job, times as in :class:`RunState`, and why in a few words."""

    status: str
    job_id: str
    submitted: float | None
    started: float | None
    ended: float | None
    why: str


@dataclass(frozen=True)
class RunState:
    """What is known of a run. Times in seconds since 1970; ``expected_start`` is the scheduler's estimate, ``reason`` its word
    for why a job waits. ``attempt`` counts how often Slurm has started the job again; ``again`` is what was decided of that by
    the run's own ``restarts``, or done by Slurm alone. ``submitted``: by the user; a job that goes on does not count.

    ``outcome`` says how the run ended, once it has; ``doubt`` why the answer may be out of date; ``unreadable`` names what in
    the run folder could not be read.
    """

    status: RunStatus
    job: JobRef | None = None
    attempt: int = 0
    outcome: Outcome | None = None
    reason: str = ""
    staging: Staging | None = None
    nodes: str = ""
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    expected_start: float | None = None
    doubt: Doubt | None = None
    unreadable: tuple[str, ...] = ()
    again: Again | None = None

    @property
    def job_id(self) -> str | None:
        """The name of its job in Slurm: ``33``, of an element of an array ``33_4``."""
        return self.job.name if self.job else None

    @property
    def cause(self) -> Cause | None:
        return self.outcome.cause if self.outcome else None

    @property
    def exit_code(self) -> int | None:
        return self.outcome.exit_code if self.outcome else None

    @property
    def signal(self) -> int | None:
        return self.outcome.signal if self.outcome else None

    @property
    def exit_status(self) -> int:
        """The exit status that stands for an ended run: see :attr:`Outcome.exit_status`."""
        return self.outcome.exit_status if self.outcome else 1

    @property
    def brief(self) -> Brief:
        """What a list shows of it."""
        why = self.reason or (outcome_line(self.outcome) if self.outcome else "")
        times = self.submitted, self.started, self.ended
        return Brief(self.status.value, self.job_id or "", *times, why.partition("\n")[0])

    @property
    def message(self) -> str:
        """How it ended, in words; empty where there is nothing to tell. For people: programs read ``outcome``."""
        return outcome_text(self.outcome) if self.outcome else ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        parts = {name: dict(vars(part)) for name in _PARTS if (part := getattr(self, name))}
        outcome = self.outcome.to_dict() if self.outcome else None
        return {**vars(self), **parts, "status": self.status.value, "outcome": outcome}

    @property
    def data(self) -> dict[str, Any]:
        """What programs are told of it: :meth:`to_dict`, and what follows from it."""
        return {**self.to_dict(), "job_id": self.job_id, "message": self.message}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> RunState:
        """Return what :meth:`to_dict` wrote; unknown keys are taken. Raises KeyError, TypeError or ValueError."""
        known = {name: check_type(facts[name], kinds) for name, kinds in _PLAIN.items() if name in facts}
        return cls(
            RunStatus(facts["status"]),
            JobRef.from_dict(facts["job"]) if facts.get("job") else None,
            outcome=Outcome.from_dict(facts["outcome"]) if facts.get("outcome") else None,
            again=_again(facts.get("again")),
            **known,
        )


def check_type(value: Any, kinds: tuple[type, ...]) -> Any:
    """Return a value that is of one of these kinds. Raises TypeError."""
    if not isinstance(value, kinds):
        raise TypeError(type(value).__name__)
    return value


def _again(facts: object) -> Again | None:
    """Return what :meth:`RunState.to_dict` wrote of it; unknown keys are taken."""
    given = facts if isinstance(facts, dict) else {}
    known = {name: check_type(given[name], kinds) for name, kinds in _OF_AGAIN.items() if name in given}
    return Again(**{**known, "exclude": tuple(known.get("exclude", ()))}) if known else None


_PARTS = ("job", "staging", "doubt", "again")
_TIME = (int, float, type(None))
_OF_AGAIN: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("how", "why", "cause"), (str,)),
    **dict.fromkeys(("number", "memory_mb"), (int,)),
    "at_most": (int, type(None)),
    "seconds": (int, float),
    "exclude": (list, tuple),
}
_PLAIN: dict[str, tuple[type, ...]] = {
    "attempt": (int,),
    "reason": (str,),
    "nodes": (str,),
    **dict.fromkeys(("submitted", "started", "ended", "expected_start"), _TIME),
}
