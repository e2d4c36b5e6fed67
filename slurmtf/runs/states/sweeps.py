"""The state of a sweep: how far it has progressed, and how it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.sweep.ledger import Ledger, split_trials
from slurmtf.job.contract.sweep.records import (
    BY_DURATION,
    CANCELED,
    COMPLETED,
    FAILED,
    RETIRED,
    TOO_SHORT,
    Point,
    Result,
    Settings,
    SweepLayout,
)
from slurmtf.runs.states import cancelers
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import Records
from slurmtf.runs.states.reduce import CAUSE_OF
from slurmtf.runs.states.state import Doubt, DoubtKind, RunState, RunStatus
from slurmtf.scheduler import JobState, SubmittedJob
from slurmtf.scheduler.base import RECORD_LAG_S

Answers = Sequence[tuple[SubmittedJob, Answer]]


@dataclass(frozen=True)
class TrialState:
    """One trial. ``result`` is None until it has one; ``curve`` is its logged values of the primary metric; ``taken``: an
    element of the job array works on it."""

    number: int
    point: Point
    result: Result | None = None
    curve: tuple[float, ...] = ()
    taken: bool = False
    element: str = ""
    host: str = ""
    started: float = 0.0
    attempt: int = 0
    note: str = ""

    @property
    def has_begun(self) -> bool:
        return bool(self.taken or self.result or self.started)

    def status(self, sweep: RunStatus) -> RunStatus:
        """Return its status; a trial without a result ends when the sweep ends."""
        if self.result:
            return RunStatus(self.result.status)
        if sweep.final:
            return RunStatus.CANCELED if self.has_begun else RunStatus.NOT_STARTED
        return RunStatus.RUNNING if self.taken else RunStatus.QUEUED

    def best(self, sign: int) -> float | None:
        """Return the best value that it has logged; ``sign`` is 1 if higher is better."""
        if self.result and self.result.best is not None:
            return self.result.best
        numbers = [value for value in self.curve if value == value]  # noqa: PLR0124 - without NaN
        return max(numbers, key=lambda value: sign * value) if numbers else None


@dataclass(frozen=True)
class SweepFacts:
    """The facts in a sweep's folder. ``elements`` has the last event of each element: kind, text and host."""

    settings: Settings
    trials: tuple[TrialState, ...]
    stopped: dict[str, object] | None
    elements: dict[str, tuple[str, str, str]]

    def count(self, status: str) -> int:
        return sum(bool(trial.result and trial.result.status == status) for trial in self.trials)

    @property
    def done(self) -> int:
        return sum(trial.result is not None for trial in self.trials)

    @property
    def running(self) -> int:
        return sum(trial.result is None and trial.taken for trial in self.trials)

    @property
    def at_rest(self) -> bool:
        """Whether elements have begun and all of them have ended."""
        return bool(self.elements) and all(kind != "started" for kind, _, _ in self.elements.values())

    @property
    def best(self) -> TrialState | None:
        """The completed trial with the best value; None if there is none."""
        sign = self.settings.sign
        known = [
            trial
            for trial in self.trials
            if trial.result and trial.result.status == COMPLETED and trial.result.best is not None
        ]
        return max(known, key=lambda trial: sign * (trial.best(sign) or 0.0), default=None)

    @property
    def summary(self) -> str:
        """Its progress, in one line."""
        parts = [f"{self.done} of {len(self.trials)} trials done"]
        parts += [
            f"{count} {word}" for word, count in (("failed", self.count(FAILED)), ("canceled", self.count(CANCELED))) if count
        ]
        parts += [f"{self.running} running"] if self.running else []
        best = self.best
        parts += [f"best {best.best(self.settings.sign):.6g} (trial {best.number})"] if best else []
        return ", ".join(parts)


def is_sweep(layout: RunLayout) -> bool:
    """Return whether a run is a sweep."""
    return os.path.isfile(SweepLayout(layout.folder).settings)  # noqa: PTH113 - of thousands of runs


def read_sweep(layout: RunLayout) -> SweepFacts:
    """Read a sweep's folder. Raises OSError or ValueError if it can't be read."""
    ledger = Ledger(SweepLayout(layout.folder))
    ledger.reports.refresh()
    done, held = split_trials(ledger)
    results = {trial: ledger.result(trial) for trial in done}
    trials = tuple(_build_trial(ledger, number, results.get(number), number in held) for number in range(len(ledger.points)))
    elements = {name: (event.kind, event.text, event.host) for name, event in ledger.reports.last.items()}
    return SweepFacts(ledger.settings, trials, ledger.read_stop(), elements)


def read_best_value(layout: RunLayout, metric: str) -> float | None:
    """Return the best value of a sweep's primary metric; None for any other metric, or while no trial is done."""
    try:
        facts = read_sweep(layout)
    except (OSError, ValueError):
        return None
    best = facts.best if facts.settings.metric == metric else None
    return best.best(facts.settings.sign) if best else None


def _build_trial(ledger: Ledger, number: int, result: Result | None, held: bool) -> TrialState:
    point, facts = ledger.points.get(number), ledger.reports.trials.get(number)
    if facts is None:
        return TrialState(number, point, result, taken=held)
    took = facts.took
    free = facts.attempt in facts.released
    return TrialState(
        number,
        point,
        result,
        tuple(facts.curve),
        held and not free,
        facts.element,
        took.host if took else "",
        took.time if took else 0.0,
        facts.attempt,
        point.note,
    )


def reduce_sweep(facts: SweepFacts, records: Records, answers: Answers, now: float) -> RunState:
    """Return the state of a sweep. ``answers`` are the schedulers' answers about its elements."""
    job, first = records.latest, next(iter(records.jobs), None)
    begun = [trial.started for trial in facts.trials if trial.started]
    ended = [trial.result.ended for trial in facts.trials if trial.result]
    status = _infer_status(facts, answers, now)
    state = RunState(
        status,
        job.ref if job else None,
        reason=(status is RunStatus.QUEUED and _find_reason(answers)) or facts.summary,
        submitted=first.submitted if first else None,
        started=min(begun, default=None),
        doubt=_infer_doubt(answers),
    )
    if not state.status.final:
        return state
    outcome = _infer_outcome(facts, state.status, answers)
    return add_canceler(replace(state, outcome=outcome, ended=max(ended, default=None), doubt=None), records, answers, now)


def get_recorded_end(records: Records) -> RunState | None:
    """Return the recorded end of a sweep; None if there is none, or if another job was submitted since."""
    latest, ended = records.latest, records.ended
    return ended if ended and (latest is None or ended.job == latest.ref) else None


def add_canceler(state: RunState, records: Records, answers: Answers, now: float) -> RunState:
    """Return the state of a sweep with who canceled it, if that is missing."""
    if state.outcome is None or not cancelers.is_wanted(state.outcome):
        return state
    return replace(state, outcome=state.outcome._replace(detail=_infer_canceler(records, answers, now)))


def _infer_canceler(records: Records, answers: Answers, now: float) -> dict[str, object]:
    """Return who canceled a sweep, from its own note or the scheduler's answers about its elements."""
    request = records.cancel_request
    ours = request if request and request.job in {job.ref.name for job in records.jobs} else None
    seen = [answer.observation for _, answer in answers if answer.observation]
    canceler = next((one.canceler for one in seen if one.canceler), None)
    last = max((one.end or 0.0 for one in seen), default=0.0)
    last_word = next((answer for _, answer in answers if not answer.over), answers[0][1] if answers else Answer())
    return (
        cancelers.infer_from_request(ours, canceler)
        or cancelers.infer_from_scheduler(canceler)
        or cancelers.infer_unknown(last_word, now - last)
    )


def _infer_status(facts: SweepFacts, answers: Answers, now: float) -> RunStatus:
    if facts.done == len(facts.trials):
        return RunStatus.COMPLETED if facts.count(FAILED) < len(facts.trials) else RunStatus.FAILED
    lives = _find_live_states(answers, now)
    why = facts.stopped.get("why") if facts.stopped else BY_DURATION if now >= facts.settings.deadline else None
    if lives is None and why and facts.at_rest:  # an element that begins later finds that it is not needed
        lives = set()
    if lives is None:
        return RunStatus.NOT_STARTED if not answers else RunStatus.RUNNING if facts.running else RunStatus.QUEUED
    if not lives and why:
        return _END_OF.get(str(why), RunStatus.FAILED)
    if not lives:
        return RunStatus.CANCELED if _infer_unfinished_outcome(facts, answers).cause is Cause.CANCELED else RunStatus.FAILED
    if why:
        return RunStatus.CANCEL_REQUESTED if why == "canceled" else RunStatus.FINALIZING
    return RunStatus.RUNNING if JobState.RUNNING in lives or facts.running else RunStatus.QUEUED


_LEAVES = (Cause.CANCELED, Cause.PREEMPTED, Cause.NODE_FAILURE, Cause.REQUEUED, Cause.OUT_OF_MEMORY, Cause.TIME_LIMIT)
"""Causes that end elements from outside; if there are several, the first in this order is the sweep's."""
_END_OF = {"canceled": RunStatus.CANCELED, BY_DURATION: RunStatus.COMPLETED, "error": RunStatus.FAILED}


def _find_reason(answers: Answers) -> str:
    """Return the scheduler's reason why the first waiting element waits."""
    seen = (answer.observation for _, answer in answers)
    return next((one.reason for one in seen if one and one.state is JobState.PENDING and one.reason), "")


def _find_live_states(answers: Answers, now: float) -> set[JobState] | None:
    """Return the states of the elements that have not ended; None if unknown."""
    states: set[JobState] = set()
    unknown = not answers
    for job, answer in answers:
        seen = answer.observation
        if seen is not None and not seen.state.final:
            states.add(seen.state)
        unknown = unknown or bool(answer.error) or (answer.lags and seen is None and now - job.submitted < RECORD_LAG_S)
    return None if unknown and not states else states


def _infer_doubt(answers: Answers) -> Doubt | None:
    error = next((answer.error for _, answer in answers if answer.error), "")
    return Doubt(DoubtKind.UNREACHABLE, error) if error else None


def _infer_outcome(facts: SweepFacts, status: RunStatus, answers: Answers) -> Outcome:
    if status is RunStatus.COMPLETED:
        return Outcome(Cause.SCRIPT, exit_code=0)
    if status is RunStatus.CANCELED:
        return Outcome(Cause.CANCELED)
    if facts.stopped and facts.stopped.get("why") == "error":
        error = str(facts.stopped.get("error", ""))
        return Outcome(Cause.SCRIPT, exit_code=1, tail=error)
    if facts.done == len(facts.trials):
        return Outcome(Cause.SCRIPT, exit_code=1, tail=_find_last_error(facts))
    return _infer_unfinished_outcome(facts, answers)


def _infer_unfinished_outcome(facts: SweepFacts, answers: Answers) -> Outcome:
    """Return why the remaining trials do not continue, from the elements' events and Slurm's answers."""
    reasons = {text for kind, text, _ in facts.elements.values() if kind != "started"} if not facts.running else set()
    causes = {CAUSE_OF.get(answer.observation.state) for _, answer in answers if answer.observation}
    for cause in _LEAVES:
        if cause in causes or cause.value in reasons:
            return Outcome(cause)
    if TOO_SHORT in reasons:
        return Outcome(Cause.TIME_LIMIT)
    if RETIRED in reasons:
        return Outcome(Cause.SCRIPT, exit_code=1, tail=_find_last_error(facts))
    return Outcome(Cause.LOST, detail={"by": "supervisor" if facts.elements else "slurm"})


def _find_last_error(facts: SweepFacts) -> str:
    failed = [trial.result for trial in facts.trials if trial.result and trial.result.status == FAILED]
    return max(failed, key=lambda result: result.ended).error if failed else ""


def stop_sweep(layout: RunLayout) -> None:
    """Keep a sweep that is being canceled from starting more trials. Raises OSError if its folder can't be written."""
    files = SweepLayout(layout.folder)
    Path(files.folder).stat()
    Ledger(files).stop({"why": "canceled", "time": time.time()})
