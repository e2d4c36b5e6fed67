"""A run that starts again, by its own restarts or by Slurm alone: its state and the number of its attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.states.history import Attempt, History
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import Records
from slurmtf.runs.states.reduce import UNASKED, choose_job_to_query
from slurmtf.runs.states.state import Again, RunState, RunStatus
from slurmtf.scheduler import JobRef, JobState, Observation
from tests.unit.runs.states.stories import (
    AGAIN,
    DONE,
    FAILED,
    FORGOTTEN,
    JOB,
    PREEMPTED,
    RUNS,
    SUBMITTED,
    UNREACHABLE,
    attempt,
    ended,
    history_of,
    seen,
    state_of,
)

AT_LIMIT = Outcome(Cause.TIME_LIMIT, signal=15)


def left(how: str, **facts: object) -> Attempt:
    """Return an attempt that reached its time limit, with the decision that followed."""
    decided = events.Restart(how, "time-limit", "time-limit", number=2, at_most=4, seconds=7800.0, **facts)  # type: ignore[arg-type]
    return attempt(*RUNS, decided, events.Ended(AT_LIMIT.to_dict(), 7800.0))


@pytest.mark.parametrize(
    ("history", "answer", "status", "cause"),
    [
        (history_of(left("requeue")), seen(JobState.PENDING, start=None), RunStatus.QUEUED, None),
        (history_of(left("return")), seen(JobState.PENDING, start=None), RunStatus.QUEUED, None),
        (history_of(left("requeue")), UNREACHABLE, RunStatus.QUEUED, None),
        (history_of(left("requeue")), seen(JobState.CANCELLED), RunStatus.CANCELED, Cause.CANCELED),  # while it waited
        (history_of(left("requeue")), FORGOTTEN, RunStatus.FAILED, Cause.TIME_LIMIT),
        (history_of(left("end")), UNASKED, RunStatus.FAILED, Cause.TIME_LIMIT),
        (history_of(left("requeue"), ended(DONE, start=AGAIN, number=1)), UNASKED, RunStatus.COMPLETED, Cause.SCRIPT),
    ],
)
def test_status_of_a_run_that_will_start_again(
    history: History, answer: Answer, status: RunStatus, cause: Cause | None
) -> None:
    state = state_of(history=history, answer=answer)
    assert (state.status, state.cause) == (status, cause)


def test_a_successor_is_the_current_job_of_the_run() -> None:
    follower = replace(JOB, ref=JobRef(None, "13"), submitted=AGAIN, why="restart")
    records, history = Records((JOB, follower)), history_of(left("resubmit", job="13"))
    assert choose_job_to_query(records, history) == follower
    answer = Answer(Observation(follower.ref, JobState.PENDING, "Dependency", folder=follower.folder))
    state = state_of(records, history, answer)
    assert (state.status, state.job_id, state.reason) == (RunStatus.QUEUED, "13", "Dependency")


def test_decisions_about_other_attempts_are_shown_and_stored() -> None:
    state = state_of(
        history=history_of(left("requeue"), attempt(start=AGAIN, number=1)), answer=seen(JobState.RUNNING, start=AGAIN)
    )
    assert state.again == Again("requeue", "time-limit", "time-limit", 2, 4, 7800.0)
    assert RunState.from_dict(state.to_dict()).again == state.again
    assert state_of(history=history_of(ended(PREEMPTED))).again is None


def counted(nth: int, *later: object, outcome: Outcome | None = None, **settings: Any) -> Attempt:
    """Return an attempt whose supervisor recorded its number."""
    end = [events.Ended(outcome.to_dict(), 3.0)] if outcome else []
    return replace(attempt(*RUNS, *later, *end, **settings), nth=nth, at_most=4)


BY_LIMIT = events.Restart("requeue", "time-limit", "time-limit", number=2, at_most=4, seconds=7800.0)
IN_ALLOCATION = events.Restart("launch", "script", "script", number=2, at_most=4, seconds=5.0)
USED_UP = events.Restart("end", "budget-used", "script", number=2, at_most=4, seconds=5.0)
AFTER_LIMIT = Again("requeue", "time-limit", "time-limit", 2, 4, 7800.0)
WAITS = seen(JobState.PENDING, start=None)
RUNS_AGAIN = seen(JobState.RUNNING, start=AGAIN)


def lost_node(number: int) -> Again:
    """Return what is known if Slurm alone started the job again: an attempt without an end has lost its node."""
    return Again("return", "node-failure", "node-failure", number, 4, 0.0)


@pytest.mark.parametrize(
    ("history", "answer", "expected"),
    [
        (history_of(counted(1)), seen(JobState.RUNNING), None),
        (history_of(counted(1)), WAITS, lost_node(2)),
        (history_of(counted(1)), RUNS_AGAIN, lost_node(2)),  # nothing is known about the next one yet
        (history_of(counted(1), counted(2, start=AGAIN, number=1)), RUNS_AGAIN, lost_node(2)),
        (history_of(counted(1, IN_ALLOCATION)), WAITS, lost_node(3)),
        (history_of(counted(1, IN_ALLOCATION)), seen(JobState.RUNNING), Again("launch", "script", "script", 2, 4, 5.0)),
        (history_of(counted(1, BY_LIMIT, outcome=AT_LIMIT)), WAITS, AFTER_LIMIT),
        (history_of(counted(1, BY_LIMIT, outcome=AT_LIMIT), counted(2, start=AGAIN, number=1)), RUNS_AGAIN, AFTER_LIMIT),
        (history_of(counted(1, BY_LIMIT, outcome=AT_LIMIT), counted(2, start=AGAIN, number=1)), WAITS, lost_node(3)),
        (history_of(counted(1, outcome=PREEMPTED)), WAITS, Again("return", "preempted", "preempted", 2, 4, 4.0)),
        (
            history_of(counted(1, USED_UP, outcome=FAILED), counted(1, start=AGAIN, job="19")),
            UNASKED,
            None,
        ),  # by hand: starts from one
        (history_of(counted(0)), WAITS, None),  # an element of a sweep: not counted
    ],
)
def test_which_attempt_it_is_where_slurm_alone_started_it_again(
    history: History, answer: Answer, expected: Again | None
) -> None:
    assert state_of(history=history, answer=answer).again == expected


def test_a_run_keeps_the_time_of_its_submission_by_the_user() -> None:
    follower = replace(JOB, ref=JobRef(None, "13"), submitted=AGAIN, why="restart")
    history = history_of(left("resubmit", job="13"))
    answer = Answer(Observation(follower.ref, JobState.PENDING))
    assert state_of(Records((JOB, follower)), history, answer).submitted == SUBMITTED
