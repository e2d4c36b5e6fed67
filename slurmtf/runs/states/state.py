"""The state of a run, as facts; :mod:`slurmtf.runs.states.words` makes sentences of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.interchange import JsonView
from slurmtf.runs.states.words import describe_outcome, describe_outcome_briefly
from slurmtf.scheduler import JobRef

if TYPE_CHECKING:
    from slurmtf.job.contract.attempt.events import Restart


T = TypeVar("T")


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
    """The scheduler named a state that slurmtf does not know."""
    ELSEWHERE = "elsewhere"
    """The run is on another machine, and its process is visible only there."""
    NOT_LISTED = "not-listed"
    """The scheduler does not list the job yet."""


@dataclass(frozen=True)
class Doubt:
    """A reason to doubt a state; ``detail`` is the scheduler's message, or the machine."""

    kind: DoubtKind
    detail: str = ""


@dataclass(frozen=True)
class Staging:
    """How many nodes have the staged software and data on their disks (``ready``), and how many will get them (``nodes``)."""

    ready: int
    nodes: int


@dataclass(frozen=True)
class Again:
    """The last decision about another attempt, by the run's own ``restarts`` or by Slurm alone: see
    :class:`..job.contract.attempt.events.Restart`. ``seconds`` is 0 if unknown."""

    how: str = ""
    why: str = ""
    cause: str = ""
    number: int = 0
    at_most: int | None = None
    seconds: float = 0.0
    exclude: tuple[str, ...] = ()
    memory_mb: int = 0

    @classmethod
    def from_event(cls, event: Restart) -> Again:
        exclude = tuple(map(str, event.exclude))
        facts = {one.name: getattr(event, one.name) for one in fields(cls) if one.name != "exclude"}
        return cls(exclude=exclude, **facts)


class Brief(NamedTuple):
    """A run in a list: its status as text, its job, times as in :class:`RunState`, and the reason in a few words."""

    status: str
    job_id: str
    submitted: float | None
    started: float | None
    ended: float | None
    why: str


@dataclass(frozen=True)
class RunState:
    """The known facts about a run. Times are in seconds since 1970.

    ``expected_start`` is the scheduler's estimate, ``reason`` its reason why a job waits. ``attempt`` counts how often Slurm
    has restarted the job; ``again`` is the last decision about that, by the run's own ``restarts`` or by Slurm alone.
    ``submitted`` is when the user submitted the run; later jobs that continue it do not count.

    ``outcome`` is how the run ended, once it has; ``doubt`` is why the state may be out of date; ``unreadable`` names what in
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
        """The name of its job in Slurm: ``33``, or ``33_4`` for an element of an array."""
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
        """The exit status that represents the run's end: see :attr:`Outcome.exit_status`."""
        return self.outcome.exit_status if self.outcome else 1

    @property
    def brief(self) -> Brief:
        """The run as a list shows it."""
        why = self.reason or (describe_outcome_briefly(self.outcome) if self.outcome else "")
        times = self.submitted, self.started, self.ended
        return Brief(self.status.value, self.job_id or "", *times, why.partition("\n")[0])

    @property
    def message(self) -> str:
        """How it ended, for people to read; empty if there is nothing to say. Programs should read ``outcome``."""
        return describe_outcome(self.outcome) if self.outcome else ""

    def to_dict(self) -> dict[str, object]:
        """Return the state as data for JSON."""
        parts = {name: dict(vars(part)) for name in _PARTS if (part := getattr(self, name))}
        outcome = self.outcome.to_dict() if self.outcome else None
        return {**vars(self), **parts, "status": self.status.value, "outcome": outcome}

    @property
    def data(self) -> dict[str, object]:
        """The state as shown to programs: :meth:`to_dict`, and facts derived from it."""
        return {**self.to_dict(), "job_id": self.job_id, "message": self.message}

    @classmethod
    def from_dict(cls, facts: JsonView) -> RunState:
        """Read the output of :meth:`to_dict`, ignoring unknown keys.

        Raises KeyError, TypeError or ValueError if it is invalid.
        """
        known = {name: check_type(facts[name], kinds) for name, kinds in _PLAIN.items() if name in facts}
        return cls(
            RunStatus(facts["status"]),
            JobRef.from_dict(facts["job"]) if facts.get("job") else None,
            outcome=Outcome.from_dict(facts["outcome"]) if facts.get("outcome") else None,
            again=_parse_again(facts.get("again")),
            **known,
        )


def check_type(value: T, kinds: tuple[type, ...]) -> T:
    """Return ``value``. Raises TypeError if it is not of one of these types."""
    if not isinstance(value, kinds):
        raise TypeError(type(value).__name__)
    return value


def _parse_again(facts: object) -> Again | None:
    """Parse ``again`` in the output of :meth:`RunState.to_dict`, ignoring unknown keys."""
    given = facts if isinstance(facts, dict) else {}
    known = {name: check_type(given[name], kinds) for name, kinds in _AGAIN_TYPES.items() if name in given}
    return Again(**{**known, "exclude": tuple(known.get("exclude", ()))}) if known else None


_PARTS = ("job", "staging", "doubt", "again")
_TIME = (int, float, type(None))
_AGAIN_TYPES: dict[str, tuple[type, ...]] = {
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
