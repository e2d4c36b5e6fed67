"""The states of runs: the folders are read, the schedulers asked once, and what they say is reduced."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.evidence import evidence_of
from slurmtf.runs.history import History, read_history
from slurmtf.runs.observe import Answer, observe
from slurmtf.runs.records import Records, note_end, read_records
from slurmtf.runs.reduce import UNASKED, current_job, job_to_ask_for, reduce
from slurmtf.runs.state import RunState
from slurmtf.scheduler import SubmittedJob


@dataclass(frozen=True)
class Seen:
    """A run as it was found; ``job`` is what it is now in its scheduler."""

    layout: RunLayout
    job: SubmittedJob | None
    state: RunState


def states_of(folders: Sequence[Path]) -> list[RunState]:
    """Return the states of runs: two Slurm calls at most for each cluster, none for runs that have ended."""
    return [seen.state for seen in look([RunLayout(str(folder)) for folder in folders])]


def look(layouts: Sequence[RunLayout], known: SubmittedJob | None = None) -> list[Seen]:
    """Look at runs; ``known`` is the job of one whose folder may not tell it any more."""
    read = [(layout, _records(layout, known), read_history(layout)) for layout in layouts]
    asked = [job_to_ask_for(records, history) for _, records, history in read]
    answers = observe({job for job in asked if job})
    return [_seen(*one, answers.get(job) if job else None) for one, job in zip(read, asked, strict=True)]


def current_job_of(layout: RunLayout) -> SubmittedJob | None:
    """Return the job that a run is now; None while it has none."""
    return current_job(read_records(layout), read_history(layout))


def job_names(layout: RunLayout) -> set[str]:
    """Return the names of all jobs that a run has or had."""
    jobs = {job.ref.name for job in read_records(layout).jobs}
    return jobs | {attempt.job for attempt in read_history(layout).attempts}


def _records(layout: RunLayout, known: SubmittedJob | None) -> Records:
    records = read_records(layout)
    return replace(records, jobs=(known,)) if known and records.unreadable and not records.jobs else records


def _seen(layout: RunLayout, records: Records, history: History, answer: Answer | None) -> Seen:
    """Reduce what was read and asked. The journals are read again where the scheduler says that the job is over: it may have
    ended between our look at it and the answer."""
    over = answer is not None and not answer.error and (answer.seen is None or answer.seen.state.final)
    history = read_history(layout) if over else history
    state = reduce(records, history, answer or UNASKED, time.time())
    if state.status.final and state is not records.ended and not (state.outcome and state.outcome.succeeded):
        state = reduce(records, history, answer or UNASKED, time.time(), evidence_of(layout, state, len(history.attempts)))
    if over and state.status.final and not state.unreadable and job_to_ask_for(records, history):
        note_end(layout, state)
    return Seen(layout, current_job(records, history), state)
