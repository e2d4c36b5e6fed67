"""Which job is the current one of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.processes import ProcessId
from slurmtf.runs.states.history import Attempt, History
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import Records
from slurmtf.runs.states.reduce import choose_current_job, choose_job_to_query, reduce
from slurmtf.runs.states.state import RunStatus
from slurmtf.scheduler import JobRef, JobState, Observation
from tests.unit.runs.states.stories import (
    AGAIN,
    DONE,
    FAILED,
    FORGOTTEN,
    JOB,
    LATER,
    NOTHING,
    NOW,
    PREEMPTED,
    RECORDS,
    RUNNING,
    RUNS,
    START,
    attempt,
    ended,
    history_of,
    seen,
    state_of,
)


def test_the_current_job_is_the_one_submitted_last() -> None:
    assert choose_current_job(Records(), history_of(RUNNING)) is None
    assert choose_current_job(RECORDS, NOTHING) == JOB
    assert choose_current_job(RECORDS, history_of(RUNNING)) == JOB
    assert choose_current_job(Records((JOB, LATER)), history_of(RUNNING)) == LATER
    assert choose_current_job(Records((JOB, LATER)), history_of(ended(FAILED), attempt(job="15", start=AGAIN + 9))) == LATER


@pytest.mark.parametrize(
    ("recorded", "own", "by_hand", "asked"),
    [
        ("wice", "wice", "genius", "genius"),
        ("wice", "wice", "wice", "wice"),
        ("wice", None, "", "wice"),
        (None, "linux", "linux", None),
        (None, "linux", "other", "other"),
        (None, None, "linux", None),
        (None, "linux", "", None),
    ],
)
def test_cluster_of_a_job_submitted_by_hand(recorded: str | None, own: str | None, by_hand: str, asked: str | None) -> None:
    """``sbatch -M other job.sh``; on a single cluster, which may have no accounting, no cluster is named."""
    job = replace(JOB, ref=replace(JOB.ref, cluster=recorded))
    attempts = [Attempt("4711", 0, JOB.submitted + 100, cluster=by_hand)]
    if own is not None:
        attempts.insert(0, Attempt(JOB.ref.name, 0, JOB.submitted + 1, cluster=own))
    found = choose_current_job(Records((job,)), History(tuple(attempts)))
    assert found is not None
    assert (found.ref.name, found.ref.cluster) == ("4711", asked)


def test_an_end_of_an_earlier_job_is_not_attributed_to_a_later_one() -> None:
    records = Records((JOB, LATER))
    history = history_of(ended(FAILED))
    assert choose_job_to_query(records, history) == LATER
    waits = reduce(records, history, Answer(Observation(LATER.ref, JobState.PENDING)), NOW)
    assert (waits.status, waits.outcome, waits.job, waits.attempt) == (RunStatus.QUEUED, None, LATER.ref, 0)


def test_a_resubmission_by_hand_is_followed() -> None:
    by_hand = attempt(*RUNS, job="19", start=AGAIN)
    history = history_of(ended(FAILED), by_hand)
    job = choose_current_job(RECORDS, history)
    assert job is not None
    assert (job.ref, job.folder, job.why, job.process) == (JobRef(None, "19"), JOB.folder, "by-hand", ProcessId("node1", 5, 6))
    answer = Answer(Observation(job.ref, JobState.RUNNING, start=AGAIN, folder=JOB.folder))
    assert state_of(history=history, answer=answer).status is RunStatus.RUNNING
    assert state_of(history=history_of(ended(FAILED), ended(DONE, job="19", start=AGAIN))).status is RunStatus.COMPLETED
    assert choose_current_job(Records((JOB, LATER)), history_of(attempt(job="14", start=START))) == LATER


@pytest.mark.parametrize(("after_s", "followed"), [(-110, False), (-90, True), (0, True), (90, True)])
def test_clocks_of_nodes_and_login_node_may_differ_by_90_s(after_s: int, followed: bool) -> None:
    job = choose_current_job(Records((LATER,)), history_of(attempt(job="19", start=AGAIN + after_s)))
    assert job is not None
    assert (job.ref.job_id == "19") is followed


def test_another_job_under_the_same_number_tells_nothing() -> None:
    """The scheduler leaves out jobs that work in another folder, so the run's own job is unknown to it."""
    assert state_of(history=history_of(RUNNING), answer=FORGOTTEN).cause is Cause.LOST
    assert state_of(history=history_of(ended(DONE)), answer=seen(JobState.RUNNING)).status is RunStatus.COMPLETED


@pytest.mark.parametrize("off_s", [-6 * 3600, 6 * 3600])
@pytest.mark.parametrize(
    ("outcome", "slurm", "status"),
    [
        (DONE, JobState.COMPLETED, RunStatus.COMPLETED),
        (FAILED, JobState.FAILED, RunStatus.FAILED),
        (PREEMPTED, JobState.PREEMPTED, RunStatus.CANCELED),
        (None, JobState.RUNNING, None),
        (None, JobState.TIMEOUT, RunStatus.FAILED),
        (None, JobState.PENDING, None),
    ],
)
def test_a_node_whose_clock_is_hours_off_has_no_run_end_otherwise(
    off_s: int, outcome: Outcome | None, slurm: JobState, status: RunStatus | None
) -> None:
    one = ended(outcome, start=START + off_s) if outcome else attempt(*RUNS, start=START + off_s)
    state = state_of(history=history_of(one), answer=seen(slurm))
    assert (state.status if state.status.final else None) is status
    assert state.cause == (outcome.cause if outcome else Cause.TIME_LIMIT if status else None)
