"""Records of the login node in a run folder are read as they were written; malformed ones are named and left out."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.system import trust
from slurmtf.runs.states.records import forget_cancel_request, note_cancel_request, note_end, read_records
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.scheduler import JobRef
from slurmtf.submit.record import note
from tests.unit.runs.states.stories import JOB

LOST = RunState(
    RunStatus.FAILED,
    JobRef("wice", "12", 3),
    attempt=2,
    outcome=Outcome(Cause.LOST, log="logs/job.log", tail="boom", detail={"by": "slurm"}),
    nodes="node1",
    submitted=1.5,
    ended=3.0,
)


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(str(tmp_path))


def test_a_run_without_records_is_read(layout: RunLayout) -> None:
    found = read_records(layout)
    assert (found.jobs, found.cancel_request, found.ended, found.unreadable) == ((), None, None, ())


def test_records_are_read_as_they_were_written(layout: RunLayout) -> None:
    other = replace(JOB, ref=JobRef("wice", "15"), why="restarted")
    note(layout, JOB)
    note(layout, other)
    note_cancel_request(layout, other.ref)
    note_end(layout, LOST)
    found = read_records(layout)
    request = found.cancel_request
    assert (found.jobs, found.ended, found.unreadable) == ((JOB, other), LOST, ())
    assert request is not None
    assert (request.job, request.uid, request.host) == ("15", os.getuid(), socket.gethostname())
    assert request.time and request.user == trust.get_user_name(os.getuid())
    assert Path(layout.cancel_mark).read_text().splitlines()[0] == "15"  # the supervisor of the job looks for this
    forget_cancel_request(layout, "")
    assert read_records(layout).cancel_request is None


@pytest.mark.parametrize(
    "change",
    [
        {"new": 1},
        {"outcome": {**(LOST.outcome.to_dict() if LOST.outcome else {}), "new": [1]}},
        {"job": {"job_id": "12", "new": 1}},
    ],
)
def test_an_unknown_key_is_accepted(change: dict[str, Any], layout: RunLayout) -> None:
    """Today's format with keys that a later one may add: it never stops a list of runs."""
    Path(layout.ended).write_text(json.dumps({**LOST.to_dict(), **change}))
    found = read_records(layout)
    assert found.unreadable == ()
    assert found.ended is not None
    assert found.ended.cause is Cause.LOST


DAMAGES = [
    "",
    "[1]",
    "3",
    '{"status": "Exploded"}',
    '{"status": 3}',
    "{}{",
    "[" * 100_000,
    '{"status": "Failed", "job": [1]}',
    '{"status": "Failed", "ended": "at noon"}',
    '{"status": "Failed", "again": {"seconds": []}}',
]


@pytest.mark.parametrize("text", DAMAGES, ids=range(len(DAMAGES)))
def test_an_unreadable_end_is_named(text: str, layout: RunLayout) -> None:
    note(layout, JOB)
    Path(layout.ended).write_text(text)
    found = read_records(layout)
    assert (found.jobs, found.ended, found.unreadable) == ((JOB,), None, ("ended.json",))


@pytest.mark.parametrize("facts", ['{"time": "at noon"}', '{"user": 3}', '{"uid": "0"}', '{"host": []}', "[1]", "{"])
def test_an_unreadable_note_of_a_cancellation_is_named(facts: str, layout: RunLayout) -> None:
    Path(layout.cancel_mark).write_text(f"12\n{facts}\n")
    found = read_records(layout)
    assert (found.cancel_request, found.unreadable) == (None, ("cancel-requested",))


@pytest.mark.parametrize(
    "change",
    [
        {"elements": float("inf")},
        {"elements": 10**12},
        {"elements": -1},
        {"submitted": 10**400},
        {"process": {"host": "a", "pid": 1e999}},
    ],
)
def test_an_invalid_job_number_does_not_affect_other_jobs(change: dict[str, Any], layout: RunLayout) -> None:
    Path(layout.jobs).write_text(json.dumps({**JOB.to_dict(), **change}) + "\n")
    note(layout, JOB)
    assert read_records(layout).jobs == (JOB,)


def test_a_cause_of_a_newer_slurmtf_is_kept_by_name(layout: RunLayout) -> None:
    newer = {**LOST.to_dict(), "outcome": {"cause": "abducted"}}
    Path(layout.ended).write_text(json.dumps(newer))
    found = read_records(layout).ended
    assert found is not None
    assert found.outcome == Outcome(Cause.UNKNOWN, detail={"cause": "abducted"})


def test_a_folder_in_the_place_of_a_file_is_named(layout: RunLayout) -> None:
    for name in ("jobs.jsonl", "cancel-requested", "ended.json"):
        Path(layout.folder, name).mkdir()
    found = read_records(layout)
    assert (found.jobs, found.unreadable) == ((), ("jobs.jsonl", "cancel-requested", "ended.json"))
