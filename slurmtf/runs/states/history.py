"""Turn the journal events of a run's jobs into attempts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from itertools import pairwise
from typing import Any

from slurmtf.job.contract.attempt import events, journal
from slurmtf.job.contract.attempt.events import Record, get_outcome
from slurmtf.job.contract.attempt.outcome import MAY_RETURN, Cause, Outcome
from slurmtf.job.contract.layout import JOB_LOG, RunLayout
from slurmtf.job.contract.life import REQUEUE, RESUBMIT, RETURN
from slurmtf.processes import ProcessId, recognize
from slurmtf.runs.states.state import Again, Staging

JOB_NAME = re.compile(r"[0-9]+(_[0-9]{1,9})?")
"""A job's id, or an array element; a process id on a machine without a scheduler."""


class Phase(IntEnum):
    """How far an attempt has progressed. It never decreases, even if an event arrives late or twice."""

    PREPARING = 0
    STARTING = 1
    RUNNING = 2
    FINALIZING = 3


class Next(Enum):
    """What followed an attempt."""

    NONE = "none"
    REQUEUED = "requeued"
    """Slurm restarted the same job."""
    RESUBMITTED = "resubmitted"
    """The run was restarted as another job, by slurmtf or by hand."""


@dataclass(frozen=True)
class TaskEnd:
    """How the process of a task ended. ``time`` in seconds since 1970."""

    rank: int
    task: str
    exit_code: int | None
    signal: int | None
    time: float


@dataclass(frozen=True)
class Attempt:
    """One start of a job of the run, as recorded by its supervisor. Times are in seconds since 1970.

    ``job`` is the job's name, ``33`` or ``33_4``; ``number`` how often Slurm had requeued it; ``cluster`` Slurm's name of the
    cluster. ``decided`` is the outcome that nothing can change any more. ``nth`` and ``at_most``: see
    :class:`..job.contract.attempt.events.Started`.

    ``launch`` is the number of the last launch in the allocation, from 0; ``task_ends`` are those of this launch. ``begins``
    maps the name of each log that it wrote to onto the position at which its output begins.
    """

    job: str
    number: int
    started: float
    nodes: str = ""
    phase: Phase = Phase.PREPARING
    task_ends: tuple[TaskEnd, ...] = ()
    outcome: Outcome | None = None
    next: Next = Next.NONE
    ended: float | None = None
    decided: Outcome | None = None
    nodes_to_fill: int = 0
    filled: frozenset[str] = frozenset()
    process: ProcessId | None = None
    cluster: str = ""
    restarts: tuple[events.Restart, ...] = ()
    launch: int = 0
    begins: Mapping[str, int] = field(default_factory=dict)
    nth: int = 0
    at_most: int | None = None

    @property
    def end(self) -> Outcome | None:
        """How it ended; None if Slurm may restart the job."""
        return None if self.may_return else self.outcome

    @property
    def may_return(self) -> bool:
        """Whether Slurm may restart the job after its end, by itself or on request."""
        asked = bool(self.restarts) and self.restarts[-1].how in (REQUEUE, RETURN)
        return asked or (self.outcome is not None and self.outcome.cause in MAY_RETURN)

    @property
    def staging(self) -> Staging | None:
        """The progress of staging to the nodes' own disks; None if nothing is staged."""
        return Staging(len(self.filled), self.nodes_to_fill) if self.nodes_to_fill else None


@dataclass(frozen=True)
class History:
    """All attempts of a run, in the order in which they started.

    ``heartbeat`` is the time of a supervisor's last heartbeat, in seconds since 1970. ``unreadable`` names the journals that
    could not be read.
    """

    attempts: tuple[Attempt, ...] = ()
    heartbeat: float | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    def find_last_restart(self, is_past: bool) -> Again | None:
        """Return the last decision about another attempt, or what is known of a restart by Slurm alone.

        ``is_past``: Slurm has started the job again since the last attempt that has a journal, or will.
        """
        behind, now = (None, None, *self.attempts, *[None] * is_past)[-2:]
        if now and now.restarts:
            return Again.from_event(now.restarts[-1])
        if behind is None:
            return None
        if behind.restarts and behind.restarts[-1].how in (REQUEUE, RETURN, RESUBMIT):
            return Again.from_event(behind.restarts[-1])
        return _infer_slurm_restart(behind, now)


def _infer_slurm_restart(behind: Attempt, now: Attempt | None) -> Again | None:
    """Return Slurm's restart of an attempt that recorded no decision; without an outcome, it is taken to have lost its node.

    None if attempts are not counted, or if the current one was started by hand, and so counts anew.
    """
    number = now.nth if now else behind.nth and behind.nth + len(behind.restarts) + 1
    if number < 2:
        return None
    cause = behind.outcome.cause if behind.outcome else Cause.NODE_FAILURE
    seconds = behind.ended - behind.started if behind.ended else 0.0
    return Again(RETURN, cause.value, cause.value, number, (now or behind).at_most, seconds)


def read_history(layout: RunLayout) -> History:
    """Read the journals of a run."""
    try:
        with os.scandir(layout.journals) as entries:
            found = sorted((entry for entry in entries if journal.NUMBERED.fullmatch(entry.name)), key=lambda entry: entry.name)
    except FileNotFoundError:
        return History()
    except OSError:
        return History(unreadable=(os.path.basename(layout.journals),))  # noqa: PTH119 - of thousands of runs
    read = {entry: build_attempt(entry.name, journal.read(entry.path)) for entry in found}
    unreadable = [entry.name for entry, attempt in read.items() if attempt is None and not os.access(entry.path, os.R_OK)]
    heartbeat = max((_get_mtime(entry) for entry in found), default=None)
    begun = list(filter(None, read.values()))
    attempts = sort_attempts(begun, journal.read_successive_jobs(layout, begun))
    return History(attempts, heartbeat, tuple(f"journal/{name}" for name in unreadable))


def _get_mtime(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def sort_attempts(attempts: Iterable[Attempt], jobs: Sequence[str] = ()) -> tuple[Attempt, ...]:
    """Return attempts in the order in which they started, each with what followed it."""
    found = journal.sort_attempts(attempts, lambda attempt: attempt.started, jobs)
    linked = [replace(one, next=Next.REQUEUED if one.job == later.job else Next.RESUBMITTED) for one, later in pairwise(found)]
    return (*linked, *found[-1:])


def build_attempt(name: str, records: Sequence[Record]) -> Attempt | None:
    """Return the attempt in the journal called ``name``; None if it has no events or is not a journal's name."""
    named = journal.NUMBERED.fullmatch(name)
    if named is None or not records or not JOB_NAME.fullmatch(named[1]):
        return None
    facts = _AttemptFacts(number=int(named[2]))
    for record in records:
        take = _TAKES.get(type(record.event))
        if take:
            take(facts, record.event, record.time)
    lists = {"task_ends": tuple(facts.task_ends), "restarts": tuple(facts.restarts), "filled": frozenset(facts.filled)}
    known = {**vars(facts), **lists}
    return Attempt(named[1], started=records[0].time, **known)


@dataclass
class _AttemptFacts:
    """The facts from the events of an attempt so far."""

    number: int
    nodes: str = ""
    phase: Phase = Phase.PREPARING
    task_ends: dict[TaskEnd, None] = field(default_factory=dict)
    outcome: Outcome | None = None
    ended: float | None = None
    decided: Outcome | None = None
    nodes_to_fill: int = 0
    filled: set[str] = field(default_factory=set)
    process: ProcessId | None = None
    cluster: str = ""
    restarts: list[events.Restart] = field(default_factory=list)
    launch: int = 0
    begins: dict[str, int] = field(default_factory=dict)
    nth: int = 0
    at_most: int | None = None

    def advance_to(self, phase: Phase) -> None:
        self.phase = max(self.phase, phase)


def _on_started(facts: _AttemptFacts, event: events.Started, time: float) -> None:  # noqa: ARG001 - as all of them
    facts.number, facts.nodes, facts.process = event.attempt, event.nodes or event.host, _recognize_process(event)
    facts.cluster, facts.nth, facts.at_most = event.cluster, event.nth, event.at_most
    facts.begins[JOB_LOG] = event.job_log


def _recognize_process(event: events.Started) -> ProcessId | None:
    try:
        return recognize(event.process)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _on_launched(facts: _AttemptFacts, event: events.Launched, time: float) -> None:  # noqa: ARG001
    facts.advance_to(Phase.STARTING)
    facts.nodes_to_fill = event.nodes_to_fill
    if event.launch > facts.launch:
        facts.launch, facts.task_ends, facts.begins = event.launch, {}, {}
    facts.begins[JOB_LOG] = event.job_log


def _on_staged(facts: _AttemptFacts, event: events.Staged, time: float) -> None:  # noqa: ARG001
    facts.filled.add(event.host)


def _on_task_started(facts: _AttemptFacts, event: events.TaskStarted, time: float) -> None:  # noqa: ARG001
    facts.advance_to(Phase.RUNNING)
    facts.begins.update({f"{event.task}.out": event.out, f"{event.task}.err": event.err})


def _on_task_restarted(facts: _AttemptFacts, event: events.TaskRestarted, time: float) -> None:  # noqa: ARG001
    facts.task_ends = {end: None for end in facts.task_ends if end.rank != event.rank}


def _on_task_ended(facts: _AttemptFacts, event: events.TaskEnded, time: float) -> None:
    facts.task_ends[TaskEnd(event.rank, event.task, event.exit_code, event.signal, time)] = None
    for stream in ("out", "err"):
        facts.begins.setdefault(f"{event.task}.{stream}", 0)  # a task that could not be started says so there


def _on_decided(facts: _AttemptFacts, event: events.Decided, time: float) -> None:  # noqa: ARG001
    facts.advance_to(Phase.FINALIZING)
    facts.decided = facts.decided or get_outcome(event)


def _on_finalizing(facts: _AttemptFacts, event: events.Finalizing, time: float) -> None:  # noqa: ARG001
    facts.advance_to(Phase.FINALIZING)


def _on_ended(facts: _AttemptFacts, event: events.Ended, time: float) -> None:
    facts.advance_to(Phase.FINALIZING)
    if facts.outcome is None:
        facts.outcome, facts.ended = get_outcome(event), time


def _on_restart(facts: _AttemptFacts, event: events.Restart, time: float) -> None:  # noqa: ARG001
    facts.restarts.append(event)


_TAKES: dict[type[object], Callable[[_AttemptFacts, Any, float], None]] = {
    events.Started: _on_started,
    events.Launched: _on_launched,
    events.Staged: _on_staged,
    events.TaskStarted: _on_task_started,
    events.TaskEnded: _on_task_ended,
    events.TaskRestarted: _on_task_restarted,
    events.Restart: _on_restart,
    events.Decided: _on_decided,
    events.Finalizing: _on_finalizing,
    events.Ended: _on_ended,
}
