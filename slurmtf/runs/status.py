"""Determine the states of runs: read their folders, query each scheduler once, and reduce both to states."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurmtf.errors import SlurmError
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.chains.second_look import FollowedRuns
from slurmtf.runs.states import cancelers, sweeps
from slurmtf.runs.states.evidence import read_evidence
from slurmtf.runs.states.history import History, read_history
from slurmtf.runs.states.observe import Answer, observe
from slurmtf.runs.states.records import Records, note_end, read_records
from slurmtf.runs.states.reduce import UNASKED, choose_current_job, choose_job_to_query, is_outdated, reduce
from slurmtf.runs.states.state import Doubt, DoubtKind, RunState, RunStatus
from slurmtf.scheduler import SubmittedJob
from slurmtf.submit import additions
from slurmtf.submit.adoption import find_jobs, note_found

END_AGE_S = 5.0
"""How old, in seconds, an answer may be that says that a job is over, because that is recorded."""


@dataclass(frozen=True)
class SeenRun:
    """A run as it was found; ``job`` is its current job."""

    layout: RunLayout
    job: SubmittedJob | None
    state: RunState
    array: tuple[SubmittedJob, ...] = ()
    """The job arrays of a sweep."""
    settled: bool = False
    """Whether the folder alone shows that the run has ended, so that no scheduler can change that."""

    @property
    def jobs(self) -> tuple[SubmittedJob, ...]:
        return self.array or ((self.job,) if self.job else ())


def read_states(folders: Sequence[Path]) -> list[RunState]:
    """Return the states of runs, with at most two Slurm calls for each cluster, and none for runs that have ended."""
    return [seen.state for seen in look([RunLayout(str(folder)) for folder in folders])]


def look(layouts: Sequence[RunLayout], known: SubmittedJob | None = None, max_age_s: float = 0.0) -> list[SeenRun]:
    """Return the current states and jobs of runs.

    ``known`` is the job of a run whose folder may no longer name it. ``max_age_s`` accepts a scheduler's answer to another
    process of the user that is at most this old, unless the folders have newer facts. Jobs that the folders do not name,
    because their client was killed or got no answer, are found and recorded.
    """
    records, unfound = _read_all_records(layouts, known, max_age_s)
    swept = {layout for layout in layouts if sweeps.is_sweep(layout)}
    read = [(layout, records[layout], read_history(layout)) for layout in layouts if layout not in swept]
    asked = [choose_job_to_query(records, history) for _, records, history in read]
    records_of = {layout: records[layout] for layout in layouts if layout in swept}
    elements = [job for one in records_of.values() for job in _list_elements(one)]
    answers = _ask_schedulers([job for job in asked if job], elements, max_age_s)
    dated = [
        _mark_outdated(history, answers.get(job), max_age_s) if job else None
        for (*_, history), job in zip(read, asked, strict=True)
    ]
    found = [_see(*one, answer) for one, answer in zip(read, dated, strict=True)]
    found += [_see_sweep(layout, one, answers, max_age_s) for layout, one in records_of.items()]
    _take_second_looks(found)
    by_layout = {one.layout: _mark_doubtful(one, unfound.get(one.layout)) for one in found}
    return [by_layout[layout] for layout in layouts]


def _take_second_looks(seen: Sequence[SeenRun]) -> None:
    """Take the second looks that clients ended too early to take; those that fail now are left to the next caller."""
    for one in seen:
        waits = FollowedRuns.load(one.layout) if one.state.status is RunStatus.QUEUED else None
        if waits:
            with contextlib.suppress(OSError, SlurmError):
                waits.look_again(one.layout, find_current_job)


def _ask_schedulers(
    jobs: Sequence[SubmittedJob], elements: Sequence[SubmittedJob], max_age_s: float
) -> dict[SubmittedJob, Answer]:
    """Return the schedulers' answers. An old answer that a run's job is over is not accepted; for a sweep's elements it is."""
    answers = observe({*jobs, *elements}, max_age_s)
    over = [job for job in jobs if max_age_s > END_AGE_S and answers[job].over]
    return {**answers, **observe(over, END_AGE_S)} if over else answers


def _mark_outdated(history: History, answer: Answer | None, max_age_s: float) -> Answer | None:
    """Return an answer, marked if it is older than the folder's facts."""
    outdated = answer is not None and is_outdated(history, answer, max_age_s, time.time())
    return replace(answer, outdated=True) if answer and outdated else answer


def _list_elements(records: Records) -> list[SubmittedJob]:
    """Return the elements of a sweep if it has not ended, or if its canceler is not known yet; else none."""
    return [] if _is_end_recorded(records) else [element for job in records.jobs for element in job.each]


def _is_end_recorded(records: Records) -> bool:
    """Return whether the end of a sweep was recorded, including who canceled it."""
    end = sweeps.get_recorded_end(records)
    return end is not None and not cancelers.is_wanted(end.outcome)


def _see_sweep(layout: RunLayout, records: Records, answers: dict[SubmittedJob, Answer], max_age_s: float) -> SeenRun:
    job, end = records.latest, sweeps.get_recorded_end(records)
    known = [(job, answers.get(job) or Answer()) for job in _list_elements(records)]
    if end:
        state = sweeps.add_canceler(end, records, known, time.time())
        if state != end:
            _note_end(layout, state)
        return SeenRun(layout, job, state, records.jobs, settled=not records.unreadable)
    try:
        facts = sweeps.read_sweep(layout)
    except (OSError, ValueError) as err:
        return SeenRun(layout, None, RunState(RunStatus.NOT_STARTED, unreadable=(str(err),)), records.jobs)
    state = sweeps.reduce_sweep(facts, records, known, time.time())
    if state.status.final and max_age_s > END_AGE_S:
        return _see_sweep(layout, records, observe(_list_elements(records), END_AGE_S), END_AGE_S)
    if state.status.final and not any(answer.observation and not answer.observation.state.final for _, answer in known):
        _note_end(layout, state)
    return SeenRun(layout, job, state, records.jobs)


def _note_end(layout: RunLayout, state: RunState) -> None:
    """Record an end that only Slurm knows, also in the receipt."""
    from slurmtf.runs.receipts.receipt import note_completed  # noqa: PLC0415 - seldom needed

    note_end(layout, state)
    note_completed(layout, state)


def find_current_job(layout: RunLayout) -> SubmittedJob | None:
    """Return the current job of a run; None while it has none."""
    return choose_current_job(read_records(layout), read_history(layout))


def list_job_names(layout: RunLayout) -> set[str]:
    """Return the names of all jobs that a run has or had."""
    jobs = {job.ref.name for job in read_records(layout).jobs}
    return jobs | {attempt.job for attempt in read_history(layout).attempts}


def _read_all_records(
    layouts: Sequence[RunLayout], known: SubmittedJob | None, max_age_s: float
) -> tuple[dict[RunLayout, Records], dict[RunLayout, SlurmError]]:
    """Return the records of runs, and the errors of schedulers that were asked about jobs that may not be recorded."""
    records = {layout: _complete_records(layout, known) for layout in layouts}
    lacking = [layout for layout, one in records.items() if additions.may_lack(layout, one.jobs) and not one.unreadable]
    found = find_jobs(lacking, max_age_s) if lacking else {}
    for layout, one in found.items():
        jobs = additions.select_unknown(one.jobs, records[layout].jobs)
        with contextlib.suppress(OSError):  # it is another user's run, or the disk is full
            note_found(layout, jobs)
            additions.settle(layout, one)
        records[layout] = replace(records[layout], jobs=(*records[layout].jobs, *jobs))
    return records, {layout: one.error for layout, one in found.items() if one.error}


def _complete_records(layout: RunLayout, known: SubmittedJob | None) -> Records:
    records = read_records(layout)
    return replace(records, jobs=(known,)) if known and records.unreadable and not records.jobs else records


def _mark_doubtful(seen: SeenRun, error: SlurmError | None) -> SeenRun:
    """Mark a run as doubtful if its scheduler could not be asked for its jobs."""
    doubt = error and Doubt(DoubtKind.UNREACHABLE, error.findings[0].what)
    return replace(seen, state=replace(seen.state, doubt=doubt)) if doubt else seen


def _see(layout: RunLayout, records: Records, history: History, answer: Answer | None) -> SeenRun:
    """Reduce a run's folder and the scheduler's answer to a state.

    If the scheduler says that the job is over, the journals are read again: it may have ended after they were read first.
    """
    over = answer is not None and answer.over
    history = read_history(layout) if over else history
    state = reduce(records, history, answer or UNASKED, time.time())
    if state.status.final and state is not records.ended and not (state.outcome and state.outcome.succeeded):
        state = reduce(records, history, answer or UNASKED, time.time(), read_evidence(layout, state, history))
    if over and state.status.final and not state.unreadable and choose_job_to_query(records, history):
        _note_end(layout, state)
    settled = answer is None and state.status.final and not (state.unreadable or history.unreadable or records.unreadable)
    return SeenRun(layout, choose_current_job(records, history), state, settled=settled)
