"""The events of an attempt, with their names and fields, for the journal's writer and its readers.

A field's default shows its type. A reader takes the values that fit and keeps the default for the others, so that an event of
another version, or a damaged one, stops nothing.
"""

from typing import Any, Dict, Mapping, NamedTuple, Optional, Type, TypeVar

from .outcome import Outcome

Facts = Mapping[str, object]
NOTHING: Facts = {}


class Started(NamedTuple):
    """The supervisor runs. ``attempt``: how often Slurm had requeued the job; ``process``: host, pid, started; ``cluster``: the
    cluster's name, which Slurm gives to every job; ``job_log``: see :class:`Launched`; ``nth``: the number of this attempt of
    the run, from 1 (0: not counted); ``at_most``: see :class:`Restart`."""

    job_id: str = ""
    element: Optional[int] = None
    attempt: int = 0
    host: str = ""
    nodes: str = ""
    process: Facts = NOTHING
    cluster: str = ""
    job_log: int = 0
    nth: int = 0
    at_most: Optional[int] = None


class Prepared(NamedTuple):
    """The working directory exists."""


class Launched(NamedTuple):
    """The launcher was started for the ``launch``-th time in this allocation. ``nodes_to_fill``: the nodes to which software
    and data are copied; ``job_log``: the position in the job's log after what earlier launches and attempts wrote."""

    launch: int = 0
    nodes_to_fill: int = 0
    job_log: int = 0


class Staged(NamedTuple):
    """A node has what the tasks need."""

    host: str = ""
    seconds: float = 0.0
    phases: Facts = NOTHING
    warnings: tuple = ()  # type: ignore[type-arg]


class TaskStarted(NamedTuple):
    """A task's script was started, as process ``pid`` of its host (0: unknown). ``out``, ``err``: where its output begins in
    its logs."""

    rank: int = 0
    task: str = ""
    host: str = ""
    pid: int = 0
    out: int = 0
    err: int = 0


class TaskEnded(NamedTuple):
    rank: int = 0
    task: str = ""
    exit_code: Optional[int] = None
    signal: Optional[int] = None


class TaskRestarted(NamedTuple):
    """A task that failed is started again in place."""

    rank: int = 0
    task: str = ""


class TaskLost(NamedTuple):
    """A task's connection ended before it reported."""

    rank: int = 0
    task: str = ""


class Returned(NamedTuple):
    """The result of copying files back from a node; ``beside`` are the files whose names were already taken."""

    host: str = ""
    phases: Facts = NOTHING
    beside: tuple = ()  # type: ignore[type-arg]
    failed: tuple = ()  # type: ignore[type-arg]


class Signaled(NamedTuple):
    """The supervisor got a signal."""

    signal: str = ""


class TimeWarning(NamedTuple):
    left_s: Optional[int] = None


class Noticed(NamedTuple):
    """The tasks were notified that they will be ended, with the cause and the seconds left (None: unknown)."""

    cause: str = ""
    left_s: Optional[int] = None


class Stalled(NamedTuple):
    """Nothing has happened on any task for this many minutes."""

    minutes: float = 0.0


class TimeLimit(NamedTuple):
    """The time limit was reached that the supervisor enforces itself because no scheduler does."""


class Decided(NamedTuple):
    """The outcome is final, though the tasks are still being ended."""

    outcome: Facts = NOTHING


class LaunchEnded(NamedTuple):
    """A launch other than the allocation's last is over."""

    launch: int = 0
    outcome: Facts = NOTHING


class Restart(NamedTuple):
    """What follows a launch, or a whole attempt, that failed with ``cause``.

    ``how``: see :mod:`.life`; ``why``: the cause, or the rule that forbids another attempt; ``place``: where it failed, the
    same text for the same failure; ``exclude``: the nodes to avoid from then on; ``memory_mb``: the memory to request per node
    from then on (0: unchanged); ``number``: that of the next attempt, from 1; ``at_most``: how many there may be (None: no
    bound); ``seconds``: how long the failed one took; ``job``: the job that was submitted to continue.
    """

    how: str = ""
    why: str = ""
    cause: str = ""
    place: str = ""
    exclude: tuple = ()  # type: ignore[type-arg]
    memory_mb: int = 0
    number: int = 0
    at_most: Optional[int] = None
    seconds: float = 0.0
    job: str = ""


class Finalizing(NamedTuple):
    """All tasks have ended."""


class Ended(NamedTuple):
    """The attempt is over."""

    outcome: Facts = NOTHING
    seconds: float = 0.0


NAMES: Dict[str, type] = {
    "started": Started,
    "prepared": Prepared,
    "launched": Launched,
    "staged": Staged,
    "task-started": TaskStarted,
    "task-ended": TaskEnded,
    "task-restarted": TaskRestarted,
    "task-lost": TaskLost,
    "returned": Returned,
    "signal": Signaled,
    "time-warning": TimeWarning,
    "noticed": Noticed,
    "stalled": Stalled,
    "time-limit": TimeLimit,
    "decided": Decided,
    "launch-ended": LaunchEnded,
    "restart": Restart,
    "finalizing": Finalizing,
    "ended": Ended,
}
MOST = 1 << 53
"""The largest integer up to which a float holds every integer exactly. We never write anything larger, nor NaN."""
_NAME_OF = {kind: name for name, kind in NAMES.items()}
E = TypeVar("E")


class Record(NamedTuple):
    """One line of a journal. ``time`` is in seconds since 1970; ``event`` is one of the types above, None if this version does
    not know it."""

    time: float
    name: str
    event: Any

    def to_dict(self) -> Facts:
        return dict({"time": round(self.time, 3), "event": self.name}, **self.event._asdict())

    @classmethod
    def from_event(cls, event: object, now: float) -> "Record":
        return cls(now, _NAME_OF[type(event)], event)

    @classmethod
    def from_dict(cls, facts: object) -> Optional["Record"]:
        """Return the record; None if the facts are not one."""
        if not isinstance(facts, dict) or not isinstance(facts.get("event"), str):
            return None
        name, kind = facts["event"], NAMES.get(facts["event"])
        time = facts.get("time")
        event = _build(kind, facts) if kind else None
        return cls(float(_coerce(time, 0.0)), name, event)


def get_outcome(event: Any) -> Outcome:
    """Return the outcome of a Decided, LaunchEnded or Ended event."""
    return Outcome.from_dict(event.outcome)


def _build(kind: Type[E], facts: Facts) -> E:
    fields: Mapping[str, object] = getattr(kind, "_field_defaults", {})
    return kind(**{name: _coerce(facts.get(name, default), default) for name, default in fields.items()})


def _coerce(value: Any, default: object) -> Any:
    if not _is_valid(value, default):
        return default
    return tuple(value) if isinstance(default, tuple) else value


def _is_valid(value: object, default: object) -> bool:
    """Return whether a value has the default's type; a default of None stands for a number that may be missing. A number must
    be a possible file position or time."""
    if isinstance(value, bool) or (isinstance(value, (int, float)) and not abs(value) < MOST):
        return False
    if default is None:
        return value is None or isinstance(value, int)
    kinds = {float: (int, float), tuple: (list, tuple)}
    return isinstance(value, kinds.get(type(default), type(default)))
