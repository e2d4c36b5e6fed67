"""An incomplete receipt: what it lacks comes from the journals, and from how the run ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurmtf.files import read_json, write_json
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.receipts.receipt import complete, note_completed, read_receipt
from slurmtf.runs.states.history import Attempt
from slurmtf.runs.states.records import note_end
from slurmtf.runs.states.state import RunState
from slurmtf.scheduler import JobState
from slurmtf.submit.record import note
from tests.unit.runs.states.stories import (
    AGAIN,
    DONE,
    JOB,
    RUNNING,
    RUNS,
    START,
    attempt,
    ended,
    history_of,
    lines,
    seen,
    state_of,
)

NOTED = {"job": "12", "number": 0, "nodes": "node[1-2]", "slurm": "22.05.8", "outcome": DONE.to_dict()}
SECOND = attempt(*RUNS, number=1, start=AGAIN)
KILLED = {"job": "12", "number": 0, "cluster": "", "nodes": "node[1-2]", "started": START, "ended": None, "outcome": None}


def killed_by_slurm(*attempts: Attempt) -> RunState:
    return state_of(history=history_of(*attempts), answer=seen(JobState.NODE_FAIL, start=attempts[-1].started, end=7000.0))


def facts(state: RunState) -> dict[str, Any] | None:
    return state.outcome.to_dict() if state.outcome else None


def test_a_run_that_never_started_has_only_an_outcome() -> None:
    state = state_of(answer=seen(JobState.CANCELLED, start=None))
    found = complete({}, history_of(), state)
    assert (found["attempts"], found["outcome"]) == ([], {"status": "Canceled", **(facts(state) or {})})


def test_an_unfinished_run_has_no_outcome() -> None:
    state = state_of(history=history_of(RUNNING), answer=seen(JobState.RUNNING))
    assert complete({}, history_of(RUNNING), state) == {"attempts": [KILLED]}


def test_a_killed_last_attempt_has_the_outcome_of_the_run() -> None:
    state = killed_by_slurm(RUNNING)
    found = complete({}, history_of(RUNNING), state)
    assert found["attempts"] == [{**KILLED, "ended": 7000.0, "outcome": facts(state)}]
    assert found["outcome"] == {"status": "Failed", **(facts(state) or {})}
    assert found["outcome"]["cause"] == "node-failure"


def test_a_killed_earlier_attempt_has_no_outcome() -> None:
    state = killed_by_slurm(RUNNING, SECOND)
    first, second = complete({}, history_of(RUNNING, SECOND), state)["attempts"]
    assert (first, second["outcome"]) == (KILLED, facts(state))


def test_attempts_noted_by_the_job_are_kept() -> None:
    history = history_of(ended(DONE), SECOND)
    found = complete({"attempts": [NOTED, "odd"]}, history, killed_by_slurm(SECOND))
    assert [one["number"] for one in found["attempts"]] == [0, 1]
    assert found["attempts"][0] == NOTED
    assert complete({"attempts": [NOTED]}, history_of(), None) == {"attempts": [NOTED]}, "its journal is gone"


def test_an_end_of_another_job_is_not_attributed_to_the_last_attempt() -> None:
    """The run continued in a job that was canceled while it waited."""
    state = state_of(answer=seen(JobState.CANCELLED, start=None))
    found = complete({}, history_of(attempt(*RUNS, job="11")), state)
    assert (found["attempts"][0]["job"], found["attempts"][0]["outcome"]) == ("11", None)


@pytest.mark.parametrize(("noted", "jobs"), [([], ["12_0"]), ([{"job": "12_1", "number": 0}], ["12_1"])])
def test_one_element_stands_for_all_of_a_sweep(noted: list[Any], jobs: list[str]) -> None:
    history = history_of(*(attempt(*RUNS, job=f"12_{number}") for number in range(2)))
    assert [one["job"] for one in complete({"attempts": noted}, history, None, of_sweep=True)["attempts"]] == jobs


def test_a_receipt_is_completed_from_the_run_folder_alone(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    assert read_receipt(layout) == {}
    write_json(layout.receipt, {"user": "ada", "lock": ["a==1"]})
    note(layout, JOB)
    Path(layout.journals).mkdir()
    Path(layout.journal("12", 0)).write_text("".join(json.dumps(one.to_dict()) + "\n" for one in lines(*RUNS)))
    assert read_receipt(layout) == {"user": "ada", "lock": ["a==1"], "attempts": [KILLED]}
    state = killed_by_slurm(RUNNING)
    note_end(layout, state)
    found = read_receipt(layout)
    assert found["outcome"] == {"status": "Failed", **(facts(state) or {})}
    assert found == read_receipt(layout, state)


def test_an_end_known_only_to_slurm_is_noted_until_the_job_starts_again(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    note_completed(layout, killed_by_slurm(RUNNING))
    assert not Path(layout.receipt).exists(), "there was none to complete"
    write_json(layout.receipt, {"lock": ["a==1"]})
    note_completed(layout, killed_by_slurm(RUNNING))
    assert read_json(layout.receipt)["outcome"]["cause"] == "node-failure"
    assert "outcome" not in read_receipt(layout, state_of(history=history_of(RUNNING), answer=seen(JobState.RUNNING)))


@pytest.mark.parametrize("text", ["true", "[1]", '{"attempts": 3}', '{"attempts": [{"job": [], "number": {}}, {"job": "12"}]}'])
def test_a_damaged_receipt_raises_no_error(tmp_path: Path, text: str) -> None:
    layout = RunLayout(str(tmp_path))
    Path(layout.plan).write_text('{"provenance": null}')
    Path(layout.receipt).write_text(text)
    note_completed(layout, killed_by_slurm(RUNNING))
    assert complete({"attempts": [{"job": [], "number": {}}]}, history_of(), None) == {"attempts": []}


def test_a_complete_receipt_is_not_written_again(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    write_json(layout.receipt, {"lock": ["a==1"]})
    note_completed(layout, killed_by_slurm(RUNNING))
    first = Path(layout.receipt).stat().st_ino
    note_completed(layout, killed_by_slurm(RUNNING))
    assert Path(layout.receipt).stat().st_ino == first
