"""Answers of Slurm that are older than the events in a run's folder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slurmtf.runs.states.history import Attempt
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.reduce import is_outdated, reduce
from slurmtf.runs.states.state import RunStatus
from slurmtf.scheduler import JobState
from tests.unit.runs.states.stories import (
    FORGOTTEN,
    NOW,
    PREEMPTED,
    RECORDS,
    RUNS,
    UNREACHABLE,
    attempt,
    ended,
    history_of,
    seen,
)

OUTDATED = [
    # events of the last attempt, the answer (at most 60 s old), whether the answer is older than the events
    ([], seen(JobState.PENDING), False),
    ([attempt(*RUNS, start=NOW - 30)], seen(JobState.PENDING), True),
    ([attempt(*RUNS, start=NOW - 120)], seen(JobState.PENDING), True),  # the node's clock may be 100 s behind
    ([attempt(*RUNS, start=NOW - 3600)], seen(JobState.RUNNING), False),
    ([ended(PREEMPTED, start=NOW - 30)], seen(JobState.RUNNING), True),
    ([ended(PREEMPTED, start=NOW - 3600)], seen(JobState.PENDING), False),
    ([attempt(*RUNS, start=NOW - 30)], FORGOTTEN, False),
    ([attempt(*RUNS, start=NOW - 30)], seen(JobState.NODE_FAIL), False),
    ([attempt(*RUNS, start=NOW - 30)], UNREACHABLE, False),
]


@pytest.mark.parametrize(("attempts", "answer", "outdated"), OUTDATED)
def test_an_answer_may_be_older_than_the_run_folder(attempts: list[Attempt], answer: Answer, outdated: bool) -> None:
    assert is_outdated(history_of(*attempts), answer, 60.0, NOW) is outdated
    assert is_outdated(history_of(*attempts), answer, 0.0, NOW) is False


def test_an_outdated_answer_is_ignored() -> None:
    answer = replace(seen(JobState.PENDING), outdated=True)
    state = reduce(RECORDS, history_of(replace(attempt(*RUNS), nth=1, nodes="node1")), answer, NOW)
    assert (state.status, state.attempt, state.again, state.nodes) == (RunStatus.RUNNING, 0, None, "node1")
    assert reduce(RECORDS, history_of(ended(PREEMPTED)), replace(answer, observation=None), NOW).status is RunStatus.QUEUED
