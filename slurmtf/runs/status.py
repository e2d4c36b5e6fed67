"""The states of runs: the folders are read, the schedulers asked once, and what they say is reduced."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurmtf.errors import SlurmError
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.chains.second_look import Followed
from slurmtf.runs.states import cancelers, sweeps
from slurmtf.runs.states.evidence import evidence_of
from slurmtf.runs.states.history import History, read_history
from slurmtf.runs.states.observe import Answer, observe
from slurmtf.runs.states.records import Records, note_end, read_records
from slurmtf.runs.states.reduce import UNASKED, current_job, is_outdated, job_to_ask_for, reduce
from slurmtf.runs.states.state import Doubt, DoubtKind, RunState, RunStatus
from slurmtf.scheduler import SubmittedJob
from slurmtf.submit import additions
from slurmtf.submit.adoption import find_jobs, note_found

OF_AN_END_S = 5.0
"""How old an answer may be that says that a job is over: it is written down."""


@dataclass(frozen=True)
class Seen:
    """A run as it was found; ``job`` is what it is now in its scheduler."""

    layout: RunLayout
    job: SubmittedJob | None
    state: RunState
    array: tuple[SubmittedJob, ...] = ()
    """The arrays that it is, where it is a sweep."""
    settled: bool = False
    """Whether the folder alone tells that it has ended, so that no scheduler will say anything else."""

    @property
    def jobs(self) -> tuple[SubmittedJob, ...]:
        return self.array or ((self.job,) if self.job else ())


def states_of(folders: Sequence[Path]) -> list[RunState]:
    """Return the states of runs: two Slurm calls at most for each cluster, none for runs that have ended."""
    return [seen.state for seen in look([RunLayout(str(folder)) for folder in folders])]


def look(layouts: Sequence[RunLayout], known: SubmittedJob | None = None, max_age_s: float = 0.0) -> list[Seen]:
    """Look at runs; ``known`` is the job of one whose folder may not tell it any more. ``max_age_s``: what a scheduler told
    another process of the user so long ago will do, as far as the folders tell nothing newer.

    Jobs of which the folders do not tell, for their client was killed or got no answer, are found and written down."""
    records, unfound = _all_records(layouts, known, max_age_s)
    swept = {layout for layout in layouts if sweeps.is_sweep(layout)}
    read = [(layout, records[layout], read_history(layout)) for layout in layouts if layout not in swept]
    asked = [job_to_ask_for(records, history) for _, records, history in read]
    records_of = {layout: records[layout] for layout in layouts if layout in swept}
    elements = [job for one in records_of.values() for job in _elements(one)]
    answers = _answers([job for job in asked if job], elements, max_age_s)
    dated = [
        _date(history, answers.get(job), max_age_s) if job else None for (*_, history), job in zip(read, asked, strict=True)
    ]
    found = [_see(*one, answer) for one, answer in zip(read, dated, strict=True)]
    found += [_sweep_seen(layout, one, answers, max_age_s) for layout, one in records_of.items()]
    _take_second_looks(found)
    by_layout = {one.layout: _doubt(one, unfound.get(one.layout)) for one in found}
    return [by_layout[layout] for layout in layouts]


def _take_second_looks(seen: Sequence[Seen]) -> None:
    """Take those that clients did not live to take; what can't be done now is left to the next one who looks."""
    for one in seen:
        waits = Followed.noted(one.layout) if one.state.status is RunStatus.QUEUED else None
        if waits:
            with contextlib.suppress(OSError, SlurmError):
                waits.look_again(one.layout, current_job_of)


def _answers(jobs: Sequence[SubmittedJob], elements: Sequence[SubmittedJob], max_age_s: float) -> dict[SubmittedJob, Answer]:
    """Return what schedulers say. That the job of a run is over is never an old answer; of a sweep's elements it may be."""
    answers = observe({*jobs, *elements}, max_age_s)
    over = [job for job in jobs if max_age_s > OF_AN_END_S and answers[job].over]
    return {**answers, **observe(over, OF_AN_END_S)} if over else answers


def _date(history: History, answer: Answer | None, max_age_s: float) -> Answer | None:
    """Return an answer that says whether it is older than what the folder tells."""
    outdated = answer is not None and is_outdated(history, answer, max_age_s, time.time())
    return replace(answer, outdated=True) if answer and outdated else answer


def _elements(records: Records) -> list[SubmittedJob]:
    """Return the elements of a sweep that has not ended, or whose canceler is not known yet."""
    return [] if _is_told(records) else [element for job in records.jobs for element in job.each]


def _is_told(records: Records) -> bool:
    """Return whether the end of a sweep was written down, with who canceled it."""
    told = sweeps.told_end(records)
    return told is not None and not cancelers.is_wanted(told.outcome)


def _sweep_seen(layout: RunLayout, records: Records, answers: dict[SubmittedJob, Answer], max_age_s: float) -> Seen:
    job, told = records.latest, sweeps.told_end(records)
    known = [(job, answers.get(job) or Answer()) for job in _elements(records)]
    if told:
        state = sweeps.with_canceler(told, records, known, time.time())
        if state != told:
            _note_end(layout, state)
        return Seen(layout, job, state, records.jobs, settled=not records.unreadable)
    try:
        facts = sweeps.read_sweep(layout)
    except (OSError, ValueError) as err:
        return Seen(layout, None, RunState(RunStatus.NOT_STARTED, unreadable=(str(err),)), records.jobs)
    state = sweeps.reduce_sweep(facts, records, known, time.time())
    if state.status.final and max_age_s > OF_AN_END_S:
        return _sweep_seen(layout, records, observe(_elements(records), OF_AN_END_S), OF_AN_END_S)
    if state.status.final and not any(answer.seen and not answer.seen.state.final for _, answer in known):
        _note_end(layout, state)
    return Seen(layout, job, state, records.jobs)


def _note_end(layout: RunLayout, state: RunState) -> None:
    """Write down an end that only Slurm knows, in the receipt too."""
    from slurmtf.runs.receipts.receipt import note_completed  # noqa: PLC0415 - seldom needed

    note_end(layout, state)
    note_completed(layout, state)


def current_job_of(layout: RunLayout) -> SubmittedJob | None:
    """Return the job that a run is now; None while it has none."""
    return current_job(read_records(layout), read_history(layout))


def job_names(layout: RunLayout) -> set[str]:
    """Return the names of all jobs that a run has or had."""
    jobs = {job.ref.name for job in read_records(layout).jobs}
    return jobs | {attempt.job for attempt in read_history(layout).attempts}


def _all_records(
    layouts: Sequence[RunLayout], known: SubmittedJob | None, max_age_s: float
) -> tuple[dict[RunLayout, Records], dict[RunLayout, SlurmError]]:
    """Return the records of runs, and why schedulers could not be asked about runs that may have a job that is not recorded."""
    records = {layout: _records(layout, known) for layout in layouts}
    lacking = [layout for layout, one in records.items() if additions.may_lack(layout, one.jobs) and not one.unreadable]
    found = find_jobs(lacking, max_age_s) if lacking else {}
    for layout, one in found.items():
        jobs = additions.unknown(one.jobs, records[layout].jobs)
        with contextlib.suppress(OSError):  # it is somebody else's run, or the disk is full
            note_found(layout, jobs)
            additions.settle(layout, one)
        records[layout] = replace(records[layout], jobs=(*records[layout].jobs, *jobs))
    return records, {layout: one.error for layout, one in found.items() if one.error}


def _records(layout: RunLayout, known: SubmittedJob | None) -> Records:
    records = read_records(layout)
    return replace(records, jobs=(known,)) if known and records.unreadable and not records.jobs else records


def _doubt(seen: Seen, error: SlurmError | None) -> Seen:
    """Mark a run without a known job as one whose scheduler could not be asked."""
    doubt = error and Doubt(DoubtKind.UNREACHABLE, error.findings[0].what)
    return replace(seen, state=replace(seen.state, doubt=doubt)) if doubt else seen


def _see(layout: RunLayout, records: Records, history: History, answer: Answer | None) -> Seen:
    """Reduce what was read and asked. The journals are read again where the scheduler says that the job is over: it may have
    ended between our look at it and the answer."""
    over = answer is not None and answer.over
    history = read_history(layout) if over else history
    state = reduce(records, history, answer or UNASKED, time.time())
    if state.status.final and state is not records.ended and not (state.outcome and state.outcome.succeeded):
        state = reduce(records, history, answer or UNASKED, time.time(), evidence_of(layout, state, history))
    if over and state.status.final and not state.unreadable and job_to_ask_for(records, history):
        _note_end(layout, state)
    settled = answer is None and state.status.final and not (state.unreadable or history.unreadable or records.unreadable)
    return Seen(layout, current_job(records, history), state, settled=settled)
