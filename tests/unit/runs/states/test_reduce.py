"""The state of a run: each status, each cause, each disagreement of journal and Slurm. No test needs Slurm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.outcome import MAY_RETURN, Cause, Outcome
from slurmtf.runs.states.history import Attempt, History
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import Records
from slurmtf.runs.states.reduce import SILENCE_S, UNASKED, choose_job_to_query, reduce
from slurmtf.runs.states.state import Doubt, DoubtKind, RunState, RunStatus, Staging
from slurmtf.scheduler import JobState, Observation
from slurmtf.scheduler.base import RECORD_LAG_S
from tests.unit.runs.states.stories import (
    AGAIN,
    CANCELED,
    CANCELING,
    CANCELING_OTHER,
    CRASHED,
    DONE,
    FAILED,
    FORGOTTEN,
    JOB,
    LATER,
    LAUNCHED,
    LOCAL,
    NODE_FAILED,
    NOTHING,
    NOW,
    PREEMPTED,
    RECORDS,
    REQUEUED,
    RUNNING,
    RUNS,
    START,
    SUBMITTED,
    UNREACHABLE,
    attempt,
    but_for_canceler,
    ended,
    history_of,
    seen,
    state_of,
)

OFF = history_of(ended(PREEMPTED))
PREPARED = attempt(events.Prepared())
STARTING = attempt(events.Prepared(), LAUNCHED)
DECIDED = attempt(*RUNS, events.Decided(FAILED.to_dict()))
FINALIZING = attempt(*RUNS, events.Finalizing())


# --- a run that has not ended

LIVE: list[tuple[str, Records, History, Answer, RunStatus]] = [
    ("no job yet", Records(), NOTHING, UNASKED, RunStatus.NOT_STARTED),
    ("pending", RECORDS, NOTHING, seen(JobState.PENDING, None), RunStatus.QUEUED),
    ("nodes are prepared", RECORDS, NOTHING, seen(JobState.CONFIGURING), RunStatus.PROVISIONING),
    ("the batch script runs, no supervisor yet", RECORDS, NOTHING, seen(JobState.RUNNING), RunStatus.PREPARING),
    ("the supervisor prepares", RECORDS, history_of(PREPARED), seen(JobState.RUNNING), RunStatus.PREPARING),
    ("launched", RECORDS, history_of(STARTING), seen(JobState.RUNNING), RunStatus.STARTING),
    ("the script runs", RECORDS, history_of(RUNNING), seen(JobState.RUNNING), RunStatus.RUNNING),
    ("its end is certain", RECORDS, history_of(DECIDED), seen(JobState.RUNNING), RunStatus.FINALIZING),
    ("all tasks have ended", RECORDS, history_of(FINALIZING), seen(JobState.RUNNING), RunStatus.FINALIZING),
    ("suspended", RECORDS, history_of(RUNNING), seen(JobState.SUSPENDED), RunStatus.PAUSED),
    ("completing", RECORDS, history_of(RUNNING), seen(JobState.COMPLETING), RunStatus.FINALIZING),
    ("cancel was asked for", CANCELING, history_of(RUNNING), seen(JobState.RUNNING), RunStatus.CANCEL_REQUESTED),
    ("cancel while pending", CANCELING, NOTHING, seen(JobState.PENDING, None), RunStatus.CANCEL_REQUESTED),
    ("cancel while completing", CANCELING, history_of(RUNNING), seen(JobState.COMPLETING), RunStatus.CANCEL_REQUESTED),
    ("cancel of another job", CANCELING_OTHER, history_of(RUNNING), seen(JobState.RUNNING), RunStatus.RUNNING),
    # requeues
    ("preempted, waits again", RECORDS, history_of(ended(PREEMPTED)), seen(JobState.PENDING, AGAIN), RunStatus.QUEUED),
    ("its node failed, waits again", RECORDS, history_of(ended(NODE_FAILED)), seen(JobState.PENDING, None), RunStatus.QUEUED),
    ("requeued, waits again", RECORDS, history_of(ended(REQUEUED)), seen(JobState.PENDING, None), RunStatus.QUEUED),
    ("killed with its node, waits again", RECORDS, history_of(RUNNING), seen(JobState.PENDING, AGAIN), RunStatus.QUEUED),
    ("preempted, still being ended", RECORDS, history_of(ended(PREEMPTED)), seen(JobState.RUNNING), RunStatus.FINALIZING),
    (
        "preempted, runs again, no word yet",
        RECORDS,
        history_of(ended(PREEMPTED)),
        seen(JobState.RUNNING, AGAIN),
        RunStatus.PREPARING,
    ),
    ("killed with its node, runs again", RECORDS, history_of(RUNNING), seen(JobState.RUNNING, AGAIN), RunStatus.PREPARING),
    (
        "the second attempt runs",
        RECORDS,
        history_of(ended(PREEMPTED), attempt(*RUNS, start=AGAIN, number=1)),
        seen(JobState.RUNNING, AGAIN),
        RunStatus.RUNNING,
    ),
    (
        "the second attempt prepares: how far the first one was says nothing",
        RECORDS,
        history_of(ended(NODE_FAILED), attempt(start=AGAIN, number=1)),
        seen(JobState.RUNNING, AGAIN),
        RunStatus.PREPARING,
    ),
    # without an answer of the scheduler
    ("Slurm does not answer, signs of life", RECORDS, history_of(RUNNING), UNREACHABLE, RunStatus.RUNNING),
    ("the same, of one that waits", RECORDS, NOTHING, UNREACHABLE, RunStatus.QUEUED),
    ("the same, cancel was asked for", CANCELING, history_of(RUNNING), UNREACHABLE, RunStatus.CANCEL_REQUESTED),
    ("the same, after a preemption", RECORDS, history_of(ended(PREEMPTED)), UNREACHABLE, RunStatus.QUEUED),
    (
        "Slurm does not answer, no sign of life",
        RECORDS,
        history_of(RUNNING, heartbeat=NOW - SILENCE_S - 1),
        UNREACHABLE,
        RunStatus.NOT_RESPONDING,
    ),
    ("the same, nobody has seen one", RECORDS, history_of(RUNNING, heartbeat=None), UNREACHABLE, RunStatus.NOT_RESPONDING),
    ("a state of a newer Slurm", RECORDS, history_of(RUNNING), seen(JobState.UNKNOWN), RunStatus.RUNNING),
]


@pytest.mark.parametrize(("records", "history", "answer", "status"), [row[1:] for row in LIVE], ids=[row[0] for row in LIVE])
def test_status_of_an_unfinished_run(records: Records, history: History, answer: Answer, status: RunStatus) -> None:
    state = state_of(records, history, answer)
    assert (state.status, state.outcome, state.ended) == (status, None, None)
    assert not state.status.final


def test_every_status_is_tested() -> None:
    final = {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED}
    assert {row[4] for row in LIVE} == set(RunStatus) - final


# --- a run that has ended

LOST_BY_SLURM = Outcome(Cause.LOST, log="logs/job.log", detail={"by": "slurm"})
LOST = Outcome(Cause.LOST, log="logs/job.log", detail={"by": "supervisor"})
NOT_STARTED = Outcome(Cause.NOT_STARTED, log="logs/job.log", detail={"line": ""})
UNLAUNCHED = NOT_STARTED._replace(detail={"line": "", "unlaunched": True})
NEWER = Outcome(Cause.UNKNOWN, exit_code=1, detail={"cause": "rapture"})
TIMEOUT = Outcome(Cause.TIME_LIMIT)
SECOND = ended(FAILED, start=AGAIN, number=1)
C, F, X = RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED
PREEMPTED_TWICE = (ended(PREEMPTED), ended(PREEMPTED, start=AGAIN, number=1))
BY_TERM = Outcome(Cause.CANCELED, signal=15)
CALLED_OFF = Outcome(Cause.CALLED_OFF, detail={"policy": "bandit"})
UNMET = Outcome(Cause.DEPENDENCY, detail={"after": ["a-1"]})
AT_LIMIT = Outcome(Cause.TIME_LIMIT, signal=15)

ENDS: list[tuple[str, Records, History, Answer, RunStatus, Outcome, int]] = [
    # the journal alone
    ("completed", RECORDS, history_of(ended(DONE)), UNASKED, C, DONE, 0),
    ("failed", RECORDS, history_of(ended(FAILED)), UNASKED, F, FAILED, 3),
    ("crashed", RECORDS, history_of(ended(CRASHED)), UNASKED, F, CRASHED, 139),
    *(
        (cause.value, RECORDS, history_of(ended(Outcome(cause, exit_code=1))), UNASKED, F, Outcome(cause, exit_code=1), 1)
        for cause in Cause
        if cause not in (*MAY_RETURN, Cause.CANCELED, Cause.DEPENDENCY, Cause.CALLED_OFF, Cause.TIME_LIMIT, Cause.UNKNOWN)
    ),
    ("stopped by a policy", RECORDS, history_of(ended(CALLED_OFF)), UNASKED, X, CALLED_OFF, 1),
    ("what it was to follow did not come", RECORDS, history_of(ended(UNMET)), UNASKED, X, UNMET, 1),
    ("a cause of a newer slurmtf", RECORDS, history_of(ended(NEWER)), UNASKED, F, NEWER, 1),
    ("canceled", RECORDS, history_of(ended(BY_TERM)), UNASKED, X, BY_TERM, 130),
    ("time limit", RECORDS, history_of(ended(AT_LIMIT)), UNASKED, F, AT_LIMIT, 124),
    # both, which agree
    ("preempted for good", RECORDS, history_of(ended(PREEMPTED)), seen(JobState.PREEMPTED), X, PREEMPTED, 143),
    ("its node failed, for good", RECORDS, history_of(ended(NODE_FAILED)), seen(JobState.NODE_FAIL), F, NODE_FAILED, 143),
    ("requeued, and Slurm forgot it", RECORDS, history_of(ended(REQUEUED)), FORGOTTEN, F, REQUEUED, 143),
    ("preempted, and Slurm forgot it", RECORDS, history_of(ended(PREEMPTED)), FORGOTTEN, X, PREEMPTED, 143),
    # both, which disagree
    ("the journal's success against Slurm's node failure", RECORDS, history_of(ended(DONE)),
     seen(JobState.NODE_FAIL), C, DONE, 0),
    ("the journal's failure against Slurm's success", RECORDS, history_of(ended(FAILED)),
     seen(JobState.COMPLETED), F, FAILED, 3),
    ("the journal's end against a running job", RECORDS, history_of(ended(FAILED)), seen(JobState.RUNNING), F, FAILED, 3),
    ("the journal's end against a cancellation", CANCELING, history_of(ended(FAILED)), seen(JobState.CANCELLED), F, FAILED, 3),
    ("preempted, Slurm tells of the signal", RECORDS, history_of(ended(PREEMPTED)), seen(JobState.FAILED), X, PREEMPTED, 143),
    ("preempted, then canceled while it waited", RECORDS, OFF, seen(JobState.CANCELLED, AGAIN), X, CANCELED, 130),
    ("the same, when its start is not known", RECORDS, OFF, seen(JobState.CANCELLED, None), X, CANCELED, 130),
    ("its node failed, then canceled", RECORDS, history_of(ended(NODE_FAILED)),
     seen(JobState.CANCELLED, AGAIN), X, CANCELED, 130),
    ("its end was certain before it was killed", RECORDS, history_of(DECIDED), seen(JobState.CANCELLED), F, FAILED, 3),
    ("the same, and Slurm forgot it", RECORDS, history_of(DECIDED), FORGOTTEN, F, FAILED, 3),
    # Slurm alone
    ("canceled while it waited", RECORDS, NOTHING, seen(JobState.CANCELLED, None), X, CANCELED, 130),
    ("killed at the time limit", RECORDS, history_of(RUNNING), seen(JobState.TIMEOUT), F, TIMEOUT, 124),
    ("past its deadline", RECORDS, NOTHING, seen(JobState.DEADLINE, None), F, TIMEOUT, 124),
    ("killed by preemption", RECORDS, history_of(RUNNING), seen(JobState.PREEMPTED), X, Outcome(Cause.PREEMPTED), 1),
    ("killed with its node", RECORDS, history_of(RUNNING), seen(JobState.NODE_FAIL), F, Outcome(Cause.NODE_FAILURE), 1),
    ("a node did not boot", RECORDS, NOTHING, seen(JobState.BOOT_FAIL), F, Outcome(Cause.NODE_FAILURE), 1),
    ("out of memory", RECORDS, history_of(RUNNING), seen(JobState.OUT_OF_MEMORY), F, Outcome(Cause.OUT_OF_MEMORY), 1),
    ("the supervisor was killed", RECORDS, history_of(RUNNING), seen(JobState.FAILED), F, LOST, 1),
    ("its journal could not be written on", RECORDS, history_of(RUNNING), seen(JobState.COMPLETED), C, DONE, 0),
    # success without a witness
    ("the batch script ended with 0 before", RECORDS, NOTHING, seen(JobState.COMPLETED), F, NOT_STARTED, 1),
    ("the batch script failed before", RECORDS, NOTHING, seen(JobState.FAILED), F, NOT_STARTED, 1),
    ("it was not launched", RECORDS, NOTHING, seen(JobState.FAILED, reason="JobLaunchFailure"), F, UNLAUNCHED, 1),
    ("it got no log", RECORDS, NOTHING, seen(JobState.FAILED, signal=53), F, UNLAUNCHED._replace(signal=53), 181),
    ("only its first start has a witness", RECORDS, OFF, seen(JobState.COMPLETED, AGAIN), F, NOT_STARTED, 1),
    ("only a start that was killed has one", RECORDS, history_of(RUNNING), seen(JobState.COMPLETED, AGAIN), F, NOT_STARTED, 1),
    ("only the first start got so far", RECORDS, history_of(DECIDED), seen(JobState.FAILED, AGAIN), F, NOT_STARTED, 1),
    # neither
    ("Slurm does not know it", RECORDS, NOTHING, FORGOTTEN, F, LOST_BY_SLURM, 1),
    ("Slurm does not know it, it ran", RECORDS, history_of(RUNNING), FORGOTTEN, F, LOST_BY_SLURM, 1),
    ("Slurm does not know it, cancel was asked for", CANCELING, history_of(RUNNING), FORGOTTEN, X, CANCELED, 130),
    ("the same, of another job of the run", CANCELING_OTHER, history_of(RUNNING), FORGOTTEN, F, LOST_BY_SLURM, 1),
    # several attempts
    ("the second one completed", RECORDS, history_of(ended(PREEMPTED), ended(DONE, start=AGAIN, number=1)),
     UNASKED, C, DONE, 0),
    ("the second one failed", RECORDS, history_of(ended(NODE_FAILED), SECOND), UNASKED, F, FAILED, 3),
    ("preempted twice", RECORDS, history_of(*PREEMPTED_TWICE), seen(JobState.PREEMPTED, AGAIN), X, PREEMPTED, 143),
    (
        "the second one was killed: the first one's cause is not told for it",
        RECORDS,
        history_of(ended(PREEMPTED), attempt(*RUNS, start=AGAIN, number=1)),
        seen(JobState.FAILED, AGAIN),
        F,
        LOST,
        1,
    ),
    (
        "the second one was killed at the time limit",
        RECORDS,
        history_of(ended(NODE_FAILED), attempt(*RUNS, start=AGAIN, number=1)),
        seen(JobState.TIMEOUT, AGAIN),
        F,
        TIMEOUT,
        124,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "history", "answer", "status", "outcome", "exit_status"),
    [row[1:] for row in ENDS],
    ids=[row[0] for row in ENDS],
)
def test_a_run_that_has_ended(
    records: Records, history: History, answer: Answer, status: RunStatus, outcome: Outcome, exit_status: int
) -> None:
    state = state_of(records, history, answer)
    assert (state.status, but_for_canceler(state.outcome), state.exit_status) == (status, outcome, exit_status)


def test_every_cause_and_every_end_of_slurm_is_tested() -> None:
    assert {row[5].cause for row in ENDS} == set(Cause)
    named = {row[3].observation.state for row in ENDS if row[3].observation}
    assert {state for state in JobState if state.final} - named == {JobState.LOST}


@pytest.mark.parametrize("state", [state for state in JobState if state.final])
@pytest.mark.parametrize("attempts", [(), (ended(PREEMPTED),), (ended(NODE_FAILED), attempt(*RUNS, start=AGAIN))])
def test_success_requires_that_the_supervisor_started(state: JobState, attempts: tuple[Attempt, ...]) -> None:
    later = seen(state, AGAIN + 3600)
    assert state_of(history=history_of(*attempts), answer=later).status is not RunStatus.COMPLETED


# --- times, nodes and reasons


TIMES = [
    ("of a job that runs Slurm's start counts", RUNNING, seen(JobState.RUNNING, START - 5), START - 5, None),
    ("as long as it tells none the supervisor's does", RUNNING, seen(JobState.RUNNING, None), START, None),
    ("the end is the supervisor's", ended(PREEMPTED), seen(JobState.PREEMPTED, end=START + 60), START, START + 4),
    ("where it could not tell of it, Slurm's", DECIDED, seen(JobState.FAILED, end=START + 60), START, START + 60),
]


@pytest.mark.parametrize(("one", "answer", "started", "end"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_times_come_from_the_journal_or_from_slurm(one: Attempt, answer: Answer, started: float, end: float | None) -> None:
    state = state_of(history=history_of(one), answer=answer)
    assert (state.started, state.ended) == (started, end)


def test_a_state_has_job_times_nodes_and_reason() -> None:
    running = state_of(history=history_of(RUNNING), answer=seen(JobState.RUNNING, nodes="node[1-2]"))
    assert (running.job, running.job_id, running.attempt) == (JOB.ref, "12", 0)
    assert (running.submitted, running.started, running.nodes) == (SUBMITTED, START, "node[1-2]")
    waits = state_of(history=history_of(ended(PREEMPTED)), answer=seen(JobState.PENDING, AGAIN, reason="BeginTime"))
    assert (waits.reason, waits.expected_start, waits.started, waits.nodes, waits.attempt) == ("BeginTime", AGAIN, None, "", 0)
    assert state_of(history=OFF, answer=seen(JobState.RUNNING, AGAIN)).attempt == 1
    killed_and_waits = state_of(history=history_of(RUNNING), answer=seen(JobState.PENDING, None))
    assert (killed_and_waits.started, killed_and_waits.nodes) == (None, "")
    done = state_of(history=history_of(ended(DONE)))
    assert (done.started, done.ended, done.nodes) == (START, START + 4, "node[1-2]")
    killed = state_of(
        history=history_of(RUNNING), answer=seen(JobState.TIMEOUT, end=START + 60, exit_code=0, signal=15, nodes="node1")
    )
    assert (killed.ended, killed.signal, killed.nodes, killed.started) == (START + 60, 15, "node1", START)
    refused = state_of(answer=seen(JobState.FAILED, end=START + 1, exit_code=127))
    assert (refused.exit_code, refused.exit_status, refused.started, refused.ended) == (127, 127, START, START + 1)


def test_staging_counts_the_nodes_filled() -> None:
    fills = events.Launched(nodes_to_fill=3)
    one, other = events.Staged(host="node1"), events.Staged(host="node2")
    history = history_of(attempt(fills, one, other, one))
    assert state_of(history=history, answer=seen(JobState.RUNNING)).staging == Staging(2, 3)
    runs = history_of(attempt(fills, one, other, *RUNS[2:]))
    assert state_of(history=runs, answer=seen(JobState.RUNNING)).staging is None


# --- doubts

DOUBTS: list[tuple[str, Records, History, Answer, Doubt | None]] = [
    ("Slurm does not answer", RECORDS, NOTHING, UNREACHABLE, Doubt(DoubtKind.UNREACHABLE, "squeue: no answer")),
    ("a state of a newer Slurm", RECORDS, NOTHING, seen(JobState.UNKNOWN), Doubt(DoubtKind.UNKNOWN_STATE)),
    ("accounting does not answer", RECORDS, NOTHING, Answer(Observation(JOB.ref, JobState.UNKNOWN, "sacct: refused")),
     Doubt(DoubtKind.UNREACHABLE, "sacct: refused")),
    ("on another machine", Records((LOCAL,)), NOTHING,
     Answer(Observation(LOCAL.ref, JobState.UNKNOWN, nodes="there"), lags=False), Doubt(DoubtKind.ELSEWHERE, "there")),
    ("none", RECORDS, history_of(RUNNING), seen(JobState.RUNNING), None),
]  # fmt: skip


@pytest.mark.parametrize(("records", "history", "answer", "doubt"), [row[1:] for row in DOUBTS], ids=[row[0] for row in DOUBTS])
def test_doubts_about_a_state(records: Records, history: History, answer: Answer, doubt: Doubt | None) -> None:
    assert state_of(records, history, answer).doubt == doubt


@pytest.mark.parametrize(("later_s", "status"), [(0, RunStatus.RUNNING), (90, RunStatus.RUNNING), (110, RunStatus.PREPARING)])
def test_clocks_of_node_and_controller_may_differ_by_90_s(later_s: int, status: RunStatus) -> None:
    """Within 90 s, Slurm means this attempt; beyond that, the attempt is an earlier start of a requeued job."""
    assert state_of(history=history_of(RUNNING), answer=seen(JobState.RUNNING, START + later_s)).status is status


@pytest.mark.parametrize(
    ("records", "history", "status"),
    [
        (RECORDS, NOTHING, RunStatus.QUEUED),
        (CANCELING, NOTHING, RunStatus.CANCEL_REQUESTED),
        (RECORDS, history_of(RUNNING), RunStatus.RUNNING),
        (RECORDS, history_of(attempt(*RUNS, job="19")), RunStatus.RUNNING),
    ],
    ids=["waits", "is to be canceled", "has started since squeue was asked", "by hand, has started since"],
)
def test_a_job_just_submitted_is_not_lost(records: Records, history: History, status: RunStatus) -> None:
    """The answer of squeue may be older than the job: from the site's cache, or from another process of the user."""
    last = history.last
    since = START if last and last.job != JOB.ref.name else SUBMITTED
    history = replace(history, heartbeat=since + RECORD_LAG_S) if last else history
    young = reduce(records, history, FORGOTTEN, since + RECORD_LAG_S - 1)
    assert (young.status, young.doubt) == (status, Doubt(DoubtKind.NOT_LISTED))
    old = reduce(records, history, FORGOTTEN, since + RECORD_LAG_S + 1)
    assert (old.status.final, old.doubt) == (True, None)


def test_what_can_not_be_read_is_named() -> None:
    history = History(unreadable=("journal/12.0.jsonl",))
    assert state_of(history=history, answer=seen(JobState.RUNNING)).unreadable == ("journal/12.0.jsonl",)
    both = state_of(replace(RECORDS, unreadable=("ended.json",)), history, UNREACHABLE)
    assert both.unreadable == ("ended.json", "journal/12.0.jsonl")
    assert both.doubt == Doubt(DoubtKind.UNREACHABLE, "squeue: no answer")
    assert state_of(Records(unreadable=("jobs.jsonl",))).unreadable == ("jobs.jsonl",)


@pytest.mark.parametrize(("state", "status"), [(JobState.COMPLETED, RunStatus.COMPLETED), (JobState.FAILED, RunStatus.FAILED)])
def test_an_unreadable_journal_is_not_taken_for_a_missing_one(state: JobState, status: RunStatus) -> None:
    """The exit code is that of the supervisor or of the batch script: Slurm's answer is used, with a doubt."""
    found = state_of(history=History(unreadable=("journal",)), answer=seen(state))
    assert found.status is status
    assert found.unreadable == ("journal",)
    assert found.cause is not Cause.NOT_STARTED


# --- a recorded end

WRITTEN = RunState(RunStatus.CANCELED, JOB.ref, outcome=Outcome(Cause.CANCELED, detail={"by": "slurm"}), ended=3000.0)


def test_a_recorded_end_needs_no_answer_of_slurm() -> None:
    records = replace(RECORDS, ended=WRITTEN)
    assert choose_job_to_query(records, NOTHING) is None
    assert state_of(records) == state_of(records, history_of(RUNNING)) == WRITTEN


@pytest.mark.parametrize(
    ("answer", "now", "expected"),
    [
        (seen(JobState.FAILED, exit_code=5), 3010.0, LOST._replace(exit_code=5)),
        (seen(JobState.FAILED, exit_code=0, signal=9), 3010.0, LOST._replace(exit_code=0, signal=9)),
        (seen(JobState.FAILED), 3010.0, LOST),  # not in the accounting yet
        (seen(JobState.FAILED), 4000.0, LOST._replace(detail={"by": "supervisor", "code": "unknown"})),
        (Answer(None), 4000.0, LOST._replace(detail={"by": "supervisor", "code": "unknown"})),
        (seen(JobState.FAILED, unconfirmed=True), 4000.0, LOST),  # the accounting does not answer
        (seen(JobState.FAILED, unconfirmed=True), 7000.0, LOST._replace(detail={"by": "supervisor", "code": "unknown"})),
        (UNREACHABLE, 4000.0, LOST),
        (replace(UNREACHABLE, error="", outdated=True), 4000.0, LOST),
        (UNASKED, 4000.0, LOST),
    ],
)
def test_the_exit_code_of_a_lost_run_is_requested_until_it_is_known(answer: Answer, now: float, expected: Outcome) -> None:
    """Or until it is clear that it never will be."""
    records = replace(RECORDS, ended=RunState(RunStatus.FAILED, JOB.ref, outcome=LOST, ended=3000.0))
    assert choose_job_to_query(records, history_of(RUNNING)) == JOB
    state = reduce(records, history_of(RUNNING), answer, now)
    assert (state.outcome, state.ended) == (expected, 3000.0)
    assert (choose_job_to_query(replace(records, ended=state), history_of(RUNNING)) is None) is (expected != LOST)


@pytest.mark.parametrize(
    ("records", "history"),
    [
        (replace(RECORDS, ended=WRITTEN), history_of(attempt(*RUNS, start=AGAIN, number=1))),
        (replace(RECORDS, ended=WRITTEN), history_of(attempt(*RUNS, start=AGAIN, job="19"))),
        (Records((JOB, LATER), ended=WRITTEN), NOTHING),
    ],
    ids=["started again by Slurm", "by hand", "by slurmtf"],
)
def test_a_recorded_end_of_an_earlier_start_is_ignored(records: Records, history: History) -> None:
    assert choose_job_to_query(records, history) is not None


def test_a_later_journal_corrects_the_recorded_end() -> None:
    lost = replace(RECORDS, ended=RunState(RunStatus.FAILED, JOB.ref, outcome=LOST))
    assert state_of(lost, history_of(ended(DONE))).status is RunStatus.COMPLETED


# --- all of it at once


@given(
    attempts=st.lists(st.sampled_from([PREPARED, RUNNING, DECIDED, *(ended(Outcome(cause, exit_code=1)) for cause in Cause)])),
    state=st.sampled_from(JobState),
    start=st.sampled_from([None, START, AGAIN]),
    error=st.sampled_from(["", "no answer"]),
    canceling=st.booleans(),
)
def test_any_history_with_any_answer_gives_a_state(
    attempts: list[Attempt], state: JobState, start: float | None, error: str, canceling: bool
) -> None:
    history = history_of(*(replace(one, started=START + place, number=place) for place, one in enumerate(attempts)))
    answer = Answer(error=error) if error else seen(state, start)
    found = state_of(CANCELING if canceling else RECORDS, history, answer)
    assert found.status.final == (found.outcome is not None)
    if found.status is RunStatus.COMPLETED:
        assert history.attempts
    assert RunState.from_dict({**found.to_dict(), "of a newer version": 1}) == replace(found, doubt=None, staging=None)
