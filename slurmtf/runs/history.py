"""What the jobs of a run tell of themselves: journal events become attempts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from slurmtf.job.contract import events, journal
from slurmtf.job.contract.events import Record, outcome_of
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.outcome import MAY_RETURN, Outcome
from slurmtf.processes import ProcessId, recognise
from slurmtf.runs.state import Staging

JOB_NAME = re.compile(r"[0-9]+(_[0-9]{1,9})?")
"""A job's number, or an element of an array; a process's number on a machine without a scheduler."""


class Phase(IntEnum):
    """How far an attempt has come. It only ever grows: an event that comes late, or twice, takes nothing back."""

    PREPARING = 0
    STARTING = 1
    RUNNING = 2
    FINALIZING = 3


class Next(Enum):
    """What came after an attempt."""

    NONE = "none"
    REQUEUED = "requeued"
    """Slurm started the same job again."""
    RESUBMITTED = "resubmitted"
    """The run was started again as another job, by slurmtf or by hand."""


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
    """One start of a job of the run, by its supervisor's own word.

    ``job``: the job's name, ``33`` or ``33_4``. ``number``: how often Slurm had requeued it. ``decided``: how it will end
    whatever is done to it from then on. Times in seconds since 1970.
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

    @property
    def end(self) -> Outcome | None:
        """How it ended, unless Slurm may start the job again after it."""
        return None if self.outcome is None or self.outcome.cause in MAY_RETURN else self.outcome

    @property
    def staging(self) -> Staging | None:
        """How far the nodes' own disks are filled; None where nothing is brought there."""
        return Staging(len(self.filled), self.nodes_to_fill) if self.nodes_to_fill else None


@dataclass(frozen=True)
class History:
    """All attempts of a run, in the order in which they started.

    ``heartbeat`` is when a supervisor last showed that it is there, in seconds since 1970. ``unreadable`` names the journals
    that could not be read.
    """

    attempts: tuple[Attempt, ...] = ()
    heartbeat: float | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None


def read_history(layout: RunLayout) -> History:
    """Return what the journals of a run tell."""
    try:
        paths = sorted(path for path in Path(layout.journals).iterdir() if journal.NUMBERED.fullmatch(path.name))
    except FileNotFoundError:
        return History()
    except OSError:
        return History(unreadable=(Path(layout.journals).name,))
    found = [attempt_of(path.name, journal.read(str(path))) for path in paths]
    unreadable = tuple(f"{path.parent.name}/{path.name}" for path in paths if not os.access(path, os.R_OK))
    return History(in_order(filter(None, found)), max(map(_touched, paths), default=None), unreadable)


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def in_order(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Return attempts in the order in which they started, each with what came after it."""
    found = sorted(attempts, key=lambda attempt: (attempt.started, attempt.number))
    linked = [replace(one, next=Next.REQUEUED if one.job == later.job else Next.RESUBMITTED) for one, later in pairwise(found)]
    return (*linked, *found[-1:])


def attempt_of(name: str, records: Sequence[Record]) -> Attempt | None:
    """Return the attempt that a journal of that name tells of; None where it holds no event."""
    named = journal.NUMBERED.fullmatch(name)
    if named is None or not records or not JOB_NAME.fullmatch(named[1]):
        return None
    attempt = Attempt(named[1], int(named[2]), records[0].time)
    for record in records:
        grow = _GROWTH.get(type(record.event))
        attempt = grow(attempt, record.event, record.time) if grow else attempt
    return attempt


def _reached(attempt: Attempt, phase: Phase) -> Attempt:
    return replace(attempt, phase=max(attempt.phase, phase))


def _started(attempt: Attempt, event: events.Started, time: float) -> Attempt:  # noqa: ARG001 - as all of them
    return replace(attempt, number=event.attempt, nodes=event.nodes or event.host, process=_process(event))


def _process(event: events.Started) -> ProcessId | None:
    try:
        return recognise(event.process)
    except (KeyError, TypeError, ValueError):
        return None


def _launched(attempt: Attempt, event: events.Launched, time: float) -> Attempt:  # noqa: ARG001
    return replace(_reached(attempt, Phase.STARTING), nodes_to_fill=event.nodes_to_fill)


def _staged(attempt: Attempt, event: events.Staged, time: float) -> Attempt:  # noqa: ARG001
    return replace(attempt, filled=attempt.filled | {event.host})


def _task_started(attempt: Attempt, event: events.TaskStarted, time: float) -> Attempt:  # noqa: ARG001
    return _reached(attempt, Phase.RUNNING)


def _task_ended(attempt: Attempt, event: events.TaskEnded, time: float) -> Attempt:
    end = TaskEnd(event.rank, event.task, event.exit_code, event.signal, time)
    return attempt if end in attempt.task_ends else replace(attempt, task_ends=(*attempt.task_ends, end))


def _decided(attempt: Attempt, event: events.Decided, time: float) -> Attempt:  # noqa: ARG001
    return replace(_reached(attempt, Phase.FINALIZING), decided=attempt.decided or outcome_of(event))


def _finalizing(attempt: Attempt, event: events.Finalizing, time: float) -> Attempt:  # noqa: ARG001
    return _reached(attempt, Phase.FINALIZING)


def _ended(attempt: Attempt, event: events.Ended, time: float) -> Attempt:
    if attempt.outcome:
        return attempt
    return replace(_reached(attempt, Phase.FINALIZING), outcome=outcome_of(event), ended=time)


_GROWTH: dict[type[Any], Callable[[Attempt, Any, float], Attempt]] = {
    events.Started: _started,
    events.Launched: _launched,
    events.Staged: _staged,
    events.TaskStarted: _task_started,
    events.TaskEnded: _task_ended,
    events.Decided: _decided,
    events.Finalizing: _finalizing,
    events.Ended: _ended,
}
