"""Who canceled a run: according to its own note, Slurm's accounting, and what was recorded while Slurm still knew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.states.history import History
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import CancelRequest, Records
from slurmtf.runs.states.reduce import UNASKED, Evidence, choose_job_to_query
from slurmtf.runs.states.state import RunState
from slurmtf.runs.states.words import describe_outcome
from slurmtf.scheduler import JobState
from slurmtf.scheduler.base import Canceler
from tests.unit.runs.states.stories import (
    CANCELED,
    CANCELING,
    CANCELING_OTHER,
    JOB,
    LOCAL,
    NOTHING,
    NOW,
    RECORDS,
    RUNS,
    attempt,
    ended,
    history_of,
    seen,
    state_of,
)

ENDED = history_of(ended(CANCELED))
JUST_NOW = history_of(attempt(*RUNS, start=NOW - 5)), history_of(ended(CANCELED, start=NOW - 5))
ADA = {"user": "ada", "uid": 1000}
ASKED = {"by": "slurmtf", **ADA, "host": "login1", "time": 3000.0}
BY_OTHER = {"by": "other", "user": "root", "uid": 0}


def by(canceler: Canceler | None, **facts: Any) -> Answer:
    return seen(JobState.CANCELLED, **{"end": NOW - 1000, "canceler": canceler, **facts})


OWNER, ROOT, SLURM = Canceler(1000, "ada", is_owner=True), Canceler(0, "root"), Canceler()
NOTED = replace(RECORDS, ended=state_of(history=ENDED, answer=by(ROOT)))

ROWS: list[tuple[str, Records, History, Answer, dict[str, Any]]] = [
    ("slurmtf was asked", CANCELING, ENDED, UNASKED, ASKED),
    ("slurmtf was asked, while it waited", CANCELING, NOTHING, by(OWNER, start=None), ASKED),
    ("slurmtf was asked in vain, and an administrator did it", CANCELING, NOTHING, by(ROOT, start=None), BY_OTHER),
    ("slurmtf was asked, and Slurm forgot", CANCELING, NOTHING, Answer(), ASKED),
    ("slurmtf was asked to cancel another job", CANCELING_OTHER, ENDED, by(ROOT), BY_OTHER),
    ("slurmtf was asked, nobody knows by whom", Records((JOB,), CancelRequest("12")), ENDED, UNASKED,
     {"by": "slurmtf", "user": "", "uid": None, "host": "", "time": None}),
    ("its user's scancel", RECORDS, ENDED, by(OWNER), {"by": "owner", **ADA}),
    ("its user's scancel, while it waited", RECORDS, NOTHING, by(OWNER, start=None), {"by": "owner", **ADA}),
    ("an administrator's scancel", RECORDS, ENDED, by(ROOT), BY_OTHER),
    ("an administrator's scancel, while it waited", RECORDS, NOTHING, by(ROOT, start=None), BY_OTHER),
    ("Slurm by itself", RECORDS, ENDED, by(SLURM), {"by": "slurm"}),
    ("as it was written down", NOTED, ENDED, UNASKED, BY_OTHER),
    ("the accounting will not tell", RECORDS, ENDED, by(None), {"by": "unknown"}),
    ("Slurm forgot it", RECORDS, ENDED, Answer(), {"by": "unknown"}),
    ("nobody was asked yet", RECORDS, ENDED, UNASKED, {}),
    ("Slurm can't be asked", RECORDS, ENDED, Answer(error="no"), {}),
    ("the accounting is late", RECORDS, JUST_NOW[1], by(None, start=NOW - 5, end=NOW - 1), {}),
    ("the job is still completing", RECORDS, ENDED, seen(JobState.COMPLETING), {}),
    ("a process of this machine", Records((LOCAL,)), history_of(ended(CANCELED, job="77")),
     Answer(lags=False), {"by": "unknown"}),
]  # fmt: skip


@pytest.mark.parametrize(("records", "history", "answer", "facts"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_who_canceled_it(records: Records, history: History, answer: Answer, facts: dict[str, Any]) -> None:
    outcome = state_of(records, history, answer).outcome
    assert outcome is not None
    assert (outcome.cause, outcome.detail) == (Cause.CANCELED, facts)
    assert RunState.from_dict(state_of(records, history, answer).to_dict()).outcome == outcome


@pytest.mark.parametrize(
    ("records", "history", "asks"),
    [
        (CANCELING, ENDED, False),
        (NOTED, ENDED, False),
        (RECORDS, ENDED, True),
        (replace(RECORDS, ended=state_of(history=ENDED, answer=by(None))), ENDED, False),
        (replace(RECORDS, ended=state_of(history=ENDED)), ENDED, True),
        (replace(RECORDS, ended=state_of(answer=by(None, start=None, end=NOW - 1))), NOTHING, True),
    ],
    ids=["slurmtf did", "written down", "not asked yet", "nobody knows", "written down before", "while it waited"],
)
def test_slurm_is_asked_once_for_the_canceler(records: Records, history: History, asks: bool) -> None:
    assert (choose_job_to_query(records, history) is not None) is asks


@pytest.mark.parametrize(
    ("canceler", "reason", "cause"),
    [
        (None, "Dependency", Cause.CANCELED),
        (None, "DependencyNeverSatisfied", Cause.DEPENDENCY),
        (SLURM, "", Cause.DEPENDENCY),
        (OWNER, "Dependency", Cause.CANCELED),
        (ROOT, "DependencyNeverSatisfied", Cause.CANCELED),
    ],
)
def test_canceler_of_a_run_that_waits_for_another(canceler: Canceler | None, reason: str, cause: Cause) -> None:
    """Slurm does if its dependency can't be satisfied; its user may at any time."""
    answer = by(canceler, start=None, reason=reason)
    assert state_of(RECORDS, NOTHING, answer, Evidence(after=("a-1",))).cause is cause


def test_each_canceler_has_a_text() -> None:
    texts = {facts.get("by"): describe_outcome(Outcome(Cause.CANCELED, detail=facts)) for *_, facts in ROWS}
    assert len(set(texts.values())) == len(texts) == 6
    assert "root" in texts["other"]
    assert "ada" in texts["owner"]
    assert "login1" in describe_outcome(Outcome(Cause.CANCELED, detail=ASKED))
