"""The state of a sweep, from the results of its trials, the states of its elements, and what stopped it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.sweep.records import CANCELED, COMPLETED, FAILED, Point, Result, Settings
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import CancelRequest, Records
from slurmtf.runs.states.state import RunStatus
from slurmtf.runs.states.sweeps import SweepFacts, TrialState, get_recorded_end, reduce_sweep
from slurmtf.scheduler import JobRef, JobState, SubmittedJob
from slurmtf.scheduler.base import Canceler, Observation

NOW, DEADLINE = 1000.0, 2000.0
JOB = SubmittedJob(JobRef(None, "7"), "slurm", "/runs/x", 100.0, elements=2)
RECORDS = Records((JOB,))


def trial(number: int, status: str = "", taken: bool = False, best: float | None = None) -> TrialState:
    result = Result(number, status, best=best, started=200.0, ended=300.0 + number, error="no data") if status else None
    return TrialState(number, Point({"x": number}), result, taken=taken, started=200.0 if status or taken else 0.0)


def facts(
    *trials: TrialState, stopped: dict[str, Any] | None = None, deadline: float = DEADLINE, elements: tuple[str, ...] = ()
) -> SweepFacts:
    reports = {str(number): (kind, "", "n1") for number, kind in enumerate(elements)}
    return SweepFacts(Settings(metric="acc", total=len(trials), deadline=deadline), trials, stopped, reports)


def answers(*states: JobState | None, reason: str = "", error: str = "") -> list[tuple[SubmittedJob, Answer]]:
    """Return the answer for each element; None: it is no longer known."""
    found = []
    for one, state in zip(JOB.each, states, strict=True):
        seen = Observation(one.ref, state, reason) if state else None
        found.append((one, Answer(seen, error)))
    return found


RUNNING, PENDING, GONE = JobState.RUNNING, JobState.PENDING, JobState.COMPLETED
ALL_DONE = (trial(0, COMPLETED, best=0.5), trial(1, FAILED))
ONE_DONE = (trial(0, COMPLETED), trial(1))


def test_an_end_counts_only_for_the_last_submission() -> None:
    """A process that looked while more was submitted may have recorded an end after that."""
    sliced = (JOB, replace(JOB, ref=JobRef(None, "8"), first=2))
    ended = reduce_sweep(facts(*ALL_DONE), replace(RECORDS, jobs=sliced), answers(GONE, GONE), NOW)
    assert ended.job == JOB.ref
    noted = Records(sliced, ended=ended)
    assert get_recorded_end(noted) == ended
    assert get_recorded_end(replace(noted, jobs=(*sliced, replace(JOB, ref=JobRef(None, "11"))))) is None


@pytest.mark.parametrize(
    ("known", "answered", "status"),
    [
        (facts(*ALL_DONE), answers(GONE, GONE), RunStatus.COMPLETED),
        (facts(*ALL_DONE), answers(RUNNING, GONE), RunStatus.COMPLETED),  # elements that leave do not matter
        (facts(trial(0, FAILED), trial(1, FAILED)), answers(GONE, GONE), RunStatus.FAILED),
        (facts(trial(0, CANCELED), trial(1, FAILED)), answers(GONE, GONE), RunStatus.COMPLETED),
        (facts(trial(0), trial(1)), answers(PENDING, PENDING), RunStatus.QUEUED),
        (facts(trial(0), trial(1)), answers(RUNNING, PENDING), RunStatus.RUNNING),
        (facts(trial(0, taken=True), trial(1)), answers(PENDING, PENDING), RunStatus.RUNNING),
        (facts(*ONE_DONE), answers(GONE, GONE), RunStatus.FAILED),  # no element is left
        (facts(*ONE_DONE), answers(None, None), RunStatus.FAILED),
        (facts(*ONE_DONE), answers(None, None, error="unreachable"), RunStatus.QUEUED),
        (facts(trial(0, COMPLETED), trial(1, taken=True)), answers(None, None, error="unreachable"), RunStatus.RUNNING),
        (facts(trial(0), trial(1)), [], RunStatus.NOT_STARTED),
        (facts(*ONE_DONE, stopped={"why": "canceled"}), answers(RUNNING, GONE), RunStatus.CANCEL_REQUESTED),
        (facts(*ONE_DONE, stopped={"why": "canceled"}), answers(GONE, GONE), RunStatus.CANCELED),
        (facts(*ONE_DONE, stopped={"why": "error", "error": "x"}), answers(RUNNING, GONE), RunStatus.FINALIZING),
        (facts(*ONE_DONE, stopped={"why": "error", "error": "x"}), answers(GONE, GONE), RunStatus.FAILED),
        (facts(*ONE_DONE, deadline=900.0), answers(RUNNING, GONE), RunStatus.FINALIZING),
        (facts(*ONE_DONE, deadline=900.0), answers(GONE, GONE), RunStatus.COMPLETED),
    ],
)
def test_status(known: SweepFacts, answered: list[tuple[SubmittedJob, Answer]], status: RunStatus) -> None:
    assert reduce_sweep(known, RECORDS, answered, NOW).status is status


def test_a_queued_sweep_shows_the_schedulers_reason() -> None:
    assert reduce_sweep(facts(trial(0)), RECORDS, answers(PENDING, PENDING, reason="Priority"), NOW).reason == "Priority"
    assert reduce_sweep(facts(trial(0)), RECORDS, answers(RUNNING, PENDING), NOW).reason == "0 of 1 trials done"


def test_elements_just_submitted_are_not_lost() -> None:
    assert reduce_sweep(facts(trial(0)), RECORDS, answers(None, None), JOB.submitted + 10).status is RunStatus.QUEUED


@pytest.mark.parametrize(
    ("elements", "status"),
    [((), RunStatus.QUEUED), (("left", "retired"), RunStatus.FAILED), (("left", "started"), RunStatus.QUEUED)],
)
def test_a_stopped_sweep_has_ended_when_its_elements_have_left(elements: tuple[str, ...], status: RunStatus) -> None:
    stopped = facts(*ONE_DONE, stopped={"why": "error", "error": "x"}, elements=elements)
    assert reduce_sweep(stopped, RECORDS, answers(None, None), JOB.submitted + 10).status is status


def test_an_ended_sweep_has_times_and_an_outcome() -> None:
    state = reduce_sweep(facts(*ALL_DONE), RECORDS, answers(GONE, GONE), NOW)
    assert (state.submitted, state.started, state.ended) == (100.0, 200.0, 301.0)
    assert state.outcome is not None
    assert state.outcome.succeeded


@pytest.mark.parametrize(
    ("known", "cause", "tail"),
    [
        (facts(*ONE_DONE, stopped={"why": "error", "error": "KeyError: 1"}), Cause.SCRIPT, "KeyError: 1"),
        (facts(trial(0, FAILED), trial(1, FAILED)), Cause.SCRIPT, "no data"),
        (facts(*ONE_DONE), Cause.LOST, ""),
        (facts(*ONE_DONE, stopped={"why": "canceled"}), Cause.CANCELED, ""),
    ],
)
def test_outcome_of_a_sweep(known: SweepFacts, cause: Cause, tail: str) -> None:
    outcome = reduce_sweep(known, RECORDS, answers(GONE, GONE), NOW).outcome
    assert outcome is not None
    assert (outcome.cause, outcome.tail) == (cause, tail)


CANCELLED, KILLED, MEMORY = JobState.CANCELLED, JobState.FAILED, JobState.OUT_OF_MEMORY
RUNS_STILL = (trial(0, FAILED), trial(1, taken=True))
FAILED_ONCE = (trial(0, FAILED), trial(1))


@pytest.mark.parametrize(
    ("trials", "texts", "slurm", "status", "cause", "tail"),
    [
        (ONE_DONE, ("canceled", "canceled"), (GONE, GONE), RunStatus.CANCELED, Cause.CANCELED, ""),
        (ONE_DONE, ("nothing left to do", "canceled"), (None, None), RunStatus.CANCELED, Cause.CANCELED, ""),
        (ONE_DONE, (), (CANCELLED, CANCELLED), RunStatus.CANCELED, Cause.CANCELED, ""),  # while it waited
        (RUNS_STILL, ("started",), (CANCELLED, GONE), RunStatus.CANCELED, Cause.CANCELED, ""),
        (ONE_DONE, ("preempted", "nothing left to do"), (GONE, GONE), RunStatus.FAILED, Cause.PREEMPTED, ""),
        (ONE_DONE, ("node-failure",), (GONE, GONE), RunStatus.FAILED, Cause.NODE_FAILURE, ""),
        (ONE_DONE, ("time-limit", "the time is too short"), (GONE, GONE), RunStatus.FAILED, Cause.TIME_LIMIT, ""),
        (ONE_DONE, ("the time is too short",), (GONE, GONE), RunStatus.FAILED, Cause.TIME_LIMIT, ""),
        (RUNS_STILL, ("started",), (MEMORY, GONE), RunStatus.FAILED, Cause.OUT_OF_MEMORY, ""),
        (FAILED_ONCE, ("retired", "retired"), (GONE, GONE), RunStatus.FAILED, Cause.SCRIPT, "no data"),
        (RUNS_STILL, ("canceled", "started"), (GONE, KILLED), RunStatus.FAILED, Cause.LOST, ""),
        (ONE_DONE, (), (None, None), RunStatus.FAILED, Cause.LOST, ""),
    ],
)
def test_reason_why_no_element_continues_unfinished_trials(
    trials: tuple[TrialState, ...],
    texts: tuple[str, ...],
    slurm: tuple[JobState | None, ...],
    status: RunStatus,
    cause: Cause,
    tail: str,
) -> None:
    known = facts(*trials)
    reports = {str(number): ("started" if text == "started" else "left", text, "n1") for number, text in enumerate(texts)}
    state = reduce_sweep(replace(known, elements=reports), RECORDS, answers(*slurm), NOW)
    assert state.outcome is not None
    assert (state.status, state.outcome.cause, state.outcome.tail) == (status, cause, tail)


@pytest.mark.parametrize(
    ("known", "of_sweep", "status"),
    [
        (trial(0), RunStatus.RUNNING, RunStatus.QUEUED),
        (trial(0), RunStatus.CANCELED, RunStatus.NOT_STARTED),
        (trial(0, taken=True), RunStatus.RUNNING, RunStatus.RUNNING),
        (trial(0, taken=True), RunStatus.FAILED, RunStatus.CANCELED),
        (replace(trial(0), started=200.0), RunStatus.RUNNING, RunStatus.QUEUED),  # released: another element takes it
        (replace(trial(0), started=200.0), RunStatus.CANCELED, RunStatus.CANCELED),
        (trial(0, FAILED), RunStatus.CANCELED, RunStatus.FAILED),
    ],
)
def test_status_of_a_trial(known: TrialState, of_sweep: RunStatus, status: RunStatus) -> None:
    assert known.status(of_sweep) is status


def test_summary_names_the_best_trial() -> None:
    found = facts(trial(0, COMPLETED, best=0.5), trial(1, FAILED), trial(2, COMPLETED, best=0.75), trial(3, taken=True))
    assert found.summary == "3 of 4 trials done, 1 failed, 1 running, best 0.75 (trial 2)"


@pytest.mark.parametrize(
    ("request_of", "canceler", "by"),
    [
        ("7", None, "slurmtf"),
        ("7", Canceler(1000, "ada", is_owner=True), "slurmtf"),
        ("7", Canceler(0, "root"), "other"),  # that order failed
        ("6", Canceler(1000, "ada", is_owner=True), "owner"),
        ("6", None, "unknown"),
    ],
)
def test_who_canceled_it(request_of: str, canceler: Canceler | None, by: str) -> None:
    records = replace(RECORDS, cancel_request=CancelRequest(request_of, "ada", 1000, "login1", 300.0))
    answered = [
        (one, replace(answer, observation=replace(answer.observation, canceler=canceler)))
        for one, answer in answers(JobState.CANCELLED, JobState.CANCELLED)
        if answer.observation
    ]
    outcome = reduce_sweep(facts(*ONE_DONE, stopped={"why": "canceled"}), records, answered, NOW).outcome
    assert outcome is not None
    assert (outcome.cause, outcome.detail["by"]) == (Cause.CANCELED, by)
