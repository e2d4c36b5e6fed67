"""Evidence in the run folder in addition to the journal, and runs on a machine without a scheduler."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.states.history import History
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import CancelRequest, Records
from slurmtf.runs.states.reduce import Evidence, reduce
from slurmtf.runs.states.state import RunStatus
from slurmtf.scheduler import JobState, Observation
from tests.unit.runs.states.stories import (
    CANCELED,
    CANCELING,
    FAILED,
    LOCAL,
    NOTHING,
    RECORDS,
    RUNNING,
    RUNS,
    SUBMITTED,
    attempt,
    but_for_canceler,
    ended,
    history_of,
    seen,
    state_of,
)

F, X = RunStatus.FAILED, RunStatus.CANCELED

# --- a machine without a scheduler

GONE, ALIVE = Answer(lags=False), Answer(Observation(LOCAL.ref, JobState.RUNNING, nodes="here"), lags=False)
ON_THIS_MACHINE: list[tuple[str, Records, History, Answer, RunStatus, Cause | None]] = [
    ("no word yet", Records((LOCAL,)), NOTHING, ALIVE, RunStatus.PREPARING, None),
    ("runs", Records((LOCAL,)), history_of(attempt(*RUNS, job="77")), ALIVE, RunStatus.RUNNING, None),
    ("its supervisor was killed", Records((LOCAL,)), history_of(attempt(*RUNS, job="77")), GONE, F, Cause.LOST),
    ("its batch script ended before", Records((LOCAL,)), NOTHING, GONE, F, Cause.NOT_STARTED),
    ("canceled before a word", Records((LOCAL,), CancelRequest("77")), NOTHING, GONE, X, Cause.CANCELED),
    ("its end was certain", Records((LOCAL,)), history_of(attempt(*RUNS, events.Decided(FAILED.to_dict()), job="77")), GONE, F,
     Cause.SCRIPT),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "history", "answer", "status", "cause"),
    [row[1:] for row in ON_THIS_MACHINE],
    ids=[row[0] for row in ON_THIS_MACHINE],
)
def test_states_of_runs_without_a_scheduler(
    records: Records, history: History, answer: Answer, status: RunStatus, cause: Cause | None
) -> None:
    state = reduce(records, history, answer, SUBMITTED + 1)
    assert (state.status, state.cause) == (status, cause)


# --- evidence


def test_reaching_a_limit_set_by_the_user_counts_as_canceled() -> None:
    limited = Evidence(limited=True)
    by_journal = state_of(history=history_of(ended(Outcome(Cause.TIME_LIMIT, signal=15))), evidence=limited)
    by_slurm = state_of(history=history_of(RUNNING), answer=seen(JobState.TIMEOUT), evidence=limited)
    assert [(state.status, state.exit_status) for state in (by_journal, by_slurm)] == [(RunStatus.CANCELED, 124)] * 2
    assert state_of(history=history_of(ended(FAILED)), evidence=limited).status is RunStatus.FAILED


@pytest.mark.parametrize(
    ("records", "build", "reason", "status", "outcome"),
    [
        (RECORDS, None, "", X, CANCELED),
        (RECORDS, "", "", X, CANCELED),
        (RECORDS, "pip failed", "", F, Outcome(Cause.SOFTWARE, detail={"error": "pip failed"})),
        (RECORDS, "", "DependencyNeverSatisfied", F, Outcome(Cause.SOFTWARE, detail={"error": ""})),
        (RECORDS, None, "DependencyNeverSatisfied", X, CANCELED),
        (CANCELING, "pip failed", "", X, CANCELED),
    ],
)
def test_a_failed_build_is_the_outcome_of_the_waiting_job(
    records: Records, build: str | None, reason: str, status: RunStatus, outcome: Outcome
) -> None:
    state = state_of(records, NOTHING, seen(JobState.CANCELLED, None, reason=reason), Evidence(build=build))
    assert (state.status, but_for_canceler(state.outcome)) == (status, outcome)


@pytest.mark.parametrize(
    ("records", "after", "reason", "outcome"),
    [
        (RECORDS, ("a-1",), "DependencyNeverSatisfied", Outcome(Cause.DEPENDENCY, detail={"after": ["a-1"]})),
        (RECORDS, ("a-1",), "", CANCELED),
        (RECORDS, (), "DependencyNeverSatisfied", CANCELED),
        (CANCELING, ("a-1",), "DependencyNeverSatisfied", CANCELED),
    ],
)
def test_a_job_whose_earlier_run_did_not_end_as_required_is_canceled(
    records: Records, after: tuple[str, ...], reason: str, outcome: Outcome
) -> None:
    state = state_of(records, NOTHING, seen(JobState.CANCELLED, None, reason=reason), Evidence(after=after))
    assert (state.status, but_for_canceler(state.outcome)) == (RunStatus.CANCELED, outcome)


def test_an_unreported_end_is_explained_by_the_run_folder() -> None:
    evidence = Evidence(last_line="7: exit 0", job_log="boom", failed_node="node3")
    before = state_of(answer=seen(JobState.COMPLETED), evidence=evidence).outcome
    assert before == Outcome(Cause.NOT_STARTED, log="logs/job.log", tail="boom", detail={"line": "7: exit 0"})
    lost = state_of(history=history_of(RUNNING), answer=seen(JobState.FAILED), evidence=evidence).outcome
    assert lost == Outcome(Cause.LOST, log="logs/job.log", tail="boom", detail={"by": "supervisor"})
    node = state_of(history=history_of(RUNNING), answer=seen(JobState.NODE_FAIL), evidence=evidence).outcome
    assert node == Outcome(Cause.NODE_FAILURE, host="node3")
    reported = state_of(history=history_of(ended(FAILED)), evidence=evidence).outcome
    assert reported == FAILED


@pytest.mark.parametrize(
    ("log", "by"),
    [
        ("", "supervisor"),
        ("slurmtf: can't write ended into the journal: [Errno 30] Read-only file system\n", "disk"),
        ("slurmtf: can't write task-ended into the journal: [Errno 28] No space left on device\n", "supervisor"),
    ],
)
def test_an_end_that_the_disk_refused_is_not_the_supervisors_fault(log: str, by: str) -> None:
    outcome = state_of(
        history=history_of(RUNNING), answer=seen(JobState.FAILED, exit_code=5), evidence=Evidence(job_log=log)
    ).outcome
    assert outcome is not None
    assert (outcome.cause, outcome.exit_code, outcome.detail["by"]) == (Cause.LOST, 5, by)


def test_a_batch_script_killed_for_its_memory_ran_out_of_memory() -> None:
    evidence = Evidence(job_log="exceeded memory limit", over_memory=True)
    state = state_of(history=history_of(RUNNING), answer=seen(JobState.FAILED, signal=9), evidence=evidence)
    assert state.outcome == Outcome(Cause.OUT_OF_MEMORY, signal=9, log="logs/job.log", tail="exceeded memory limit")
    assert (
        state_of(history=history_of(RUNNING), answer=seen(JobState.COMPLETED), evidence=evidence).status is RunStatus.COMPLETED
    )
