"""What the job passes to the login node: outcomes and events, including damaged ones and those of another version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract.attempt import events, job_log, journal
from slurmtf.job.contract.attempt.events import Record
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.words import describe_outcome

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FULL = Outcome(Cause.SCRIPT, "worker-1", "node2", None, 9, "logs/worker-1.err", "boom", {"late": ["ps-0"]})


def test_an_outcome_is_read_as_it_was_written() -> None:
    assert Outcome.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


def test_an_outcome_of_a_newer_slurmtf_is_read() -> None:
    read = Outcome.from_dict({"cause": "cosmic-ray", "exit_code": 3, "colour": "blue"})
    assert (read.cause, read.detail, read.exit_status) == (Cause.UNKNOWN, {"cause": "cosmic-ray"}, 3)
    assert "cosmic-ray" in describe_outcome(read)


@given(JSON)
def test_any_data_is_read_as_an_outcome_with_a_text(facts: Any) -> None:
    outcome = Outcome.from_dict(facts)
    assert isinstance(describe_outcome(outcome), str)
    assert Outcome.from_dict(outcome.to_dict()) == outcome


@given(st.fixed_dictionaries({"cause": st.sampled_from([cause.value for cause in Cause]), "detail": JSON}))
def test_every_cause_has_a_text_with_any_facts(facts: dict[str, Any]) -> None:
    assert isinstance(describe_outcome(Outcome.from_dict(facts)), str)


@pytest.mark.parametrize(
    ("outcome", "own", "of_run"),
    [
        (Outcome(Cause.SCRIPT, exit_code=0), 0, 0),
        (Outcome(Cause.SCRIPT, exit_code=3), 3, 3),
        (Outcome(Cause.SCRIPT, signal=11), 139, 139),
        (Outcome(Cause.TIME_LIMIT, signal=15), 143, 124),
        (Outcome(Cause.CANCELED, signal=15), 143, 130),
        (Outcome(Cause.PREEMPTED, signal=15), 143, 143),
        (Outcome(Cause.LOST), 1, 1),
        (Outcome(Cause.LAUNCHER, exit_code=0), 1, 1),  # only exit code 0 of a script is a success
        (Outcome(Cause.LAUNCHER, exit_code=255), 255, 255),
    ],
)
def test_exit_status_of_job_and_run(outcome: Outcome, own: int, of_run: int) -> None:
    assert (outcome.job_status, outcome.exit_status) == (own, of_run)


@pytest.mark.parametrize(("returncode", "end"), [(0, End(0)), (3, End(3)), (-9, End(None, 9))])
def test_returncode_of_subprocess_is_converted(returncode: int, end: End) -> None:
    assert End.from_returncode(returncode) == end


# --- what slurmstepd wrote

NODE_FAILURE = b"slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD ***"


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        (b"", Cause.CANCELED),
        (b"*** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***", Cause.CANCELED),
        (b"*** STEP 7.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", Cause.TIME_LIMIT),
        (b"*** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***", Cause.PREEMPTED),
        (b"*** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO JOB REQUEUE ***", Cause.REQUEUED),
        (NODE_FAILURE, Cause.NODE_FAILURE),
        (b"*** JOB 71 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", Cause.CANCELED),
        (b"the script says DUE TO TIME LIMIT", Cause.CANCELED),
    ],
)
def test_cause_of_a_kill_is_read_from_the_job_log(written: bytes, cause: Cause) -> None:
    assert job_log.find_kill_cause(written, "7") is cause


def test_an_error_is_summarized_by_its_last_line() -> None:
    assert Outcome(Cause.SCRIPT, exit_code=1, tail="Traceback\n  x\nValueError: no\n\n").error == "ValueError: no"
    assert Outcome(Cause.SCRIPT, exit_code=3).error == "script (exit code 3)"


def test_preemption_and_node_failure_have_different_texts() -> None:
    assert "preempted" in describe_outcome(Outcome(Cause.PREEMPTED))
    assert describe_outcome(Outcome(Cause.NODE_FAILURE, host="node3")) == "node3 failed"


def test_failed_node_is_read_from_the_job_log() -> None:
    assert job_log.find_failed_node(b"srun: error: Node failure on n3\nsrun: error: Node failure on n4\n") == "n4"
    assert job_log.find_failed_node(b"") == ""


def test_log_lines_of_an_earlier_attempt_are_not_attributed_to_this_one(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(NODE_FAILURE + b"\n")
    began = log.stat().st_size
    log.write_bytes(NODE_FAILURE + b"\n*** JOB 7 ON n1 CANCELLED AT 2026-01-02T00:00:00 ***\n")
    assert job_log.find_kill_cause(job_log.read_since(str(log), began), "7") is Cause.CANCELED
    assert job_log.find_kill_cause(job_log.read_since(str(log), 0), "7") is Cause.NODE_FAILURE


# --- events


def test_every_event_is_read_as_it_was_written() -> None:
    for kind in events.NAMES.values():
        record = Record.from_event(kind(), 12.5)
        assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_a_field_of_the_wrong_type_counts_as_missing() -> None:
    read = Record.from_dict({"event": "task-started", "rank": "one", "task": 7, "host": "n1", "more": 1})
    assert read is not None
    assert (read.time, read.event) == (0.0, events.TaskStarted(0, "", "n1"))


@pytest.mark.parametrize("number", [10**400, -(10**30), float("inf"), float("nan"), 1e308])
def test_a_number_out_of_range_counts_as_missing(number: float) -> None:
    read = Record.from_dict(json.loads(json.dumps({"event": "task-started", "time": number, "pid": number, "out": number})))
    assert read == Record(0.0, "task-started", events.TaskStarted())


def test_an_unknown_event_is_kept_by_name() -> None:
    assert Record.from_dict({"event": "teleported", "time": 3}) == Record(3.0, "teleported", None)


@given(JSON)
def test_any_data_in_a_line_is_accepted(facts: Any) -> None:
    Record.from_dict(facts)
    for name in events.NAMES:
        Record.from_dict({"event": name, "time": facts, "outcome": facts, "rank": facts, "warnings": facts})


def test_damaged_lines_of_a_journal_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "7.0.jsonl"
    bad = [b"[1]", b"{}", b'{"event": 3}', b"[" * 100_000, b"null", b"\xff\xfe", b'{"event": "started", "job_id": "7"']
    path.write_bytes(b'{"event": "started", "job_id": "7"}\n' + b"\n".join(bad) + b'\n{"event": "ended"}\n')
    assert [record.name for record in journal.read(str(path))] == ["started", "ended"]


# --- attempts


def test_each_attempt_has_its_own_journal(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    for attempt in range(2):
        journal.open_new(layout, "33_4").write(events.Started(job_id="33", element=4, attempt=attempt))
    Path(layout.journals, "notes.txt").touch()
    Path(layout.journals, "9.0.jsonl").touch()  # of a supervisor that was killed immediately
    assert [(one.job, one.number, one.started.attempt) for one in journal.read_attempts(layout)] == [
        ("33_4", 0, 0),
        ("33_4", 1, 1),
    ]


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ([], 0),
        (["33_4.0.jsonl"], 1),
        (["33_4.1.jsonl", "33_4.0.jsonl"], 2),
        (["33_4.9.jsonl", "33_4.10.jsonl"], 11),
        (["33_4.1.jsonl"], 2),  # the first is gone: an attempt with its number would give way to an older one
        (["33.0.jsonl", "33_40.5.jsonl", "3.7.jsonl"], 0),  # other jobs, and other elements of its array
        (["33_4.jsonl", "33_4.x.jsonl", "33_4.0.jsonl.tmp", "notes.txt"], 0),
    ],
)
def test_number_of_the_next_attempt(names: list[str], number: int) -> None:
    assert journal.find_free_number(names, "33_4") == number


def test_an_attempt_is_followed_by_a_later_one_of_its_own_job_alone(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    first = journal.open_new(layout, "33_4")
    others = [journal.open_new(layout, job) for job in ("33", "33_5", "34")]  # its array, another element, a job that follows
    assert not first.is_followed
    second = journal.open_new(layout, "33_4")
    assert first.is_followed
    assert not any(one.is_followed for one in (second, *others))
    Path(first.path).unlink()
    assert not journal.open_new(layout, "33_4").is_followed
    Path(layout.journals).rename(tmp_path / "away")  # for a while nothing is visible
    assert not first.is_followed


@pytest.mark.parametrize("folder_is_there", [True, False])
def test_two_attempts_without_a_journal_on_a_full_disk_do_not_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder_is_there: bool
) -> None:
    layout = RunLayout(str(tmp_path))
    if folder_is_there:
        Path(layout.journals).mkdir()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.open", full)
        patch.setattr("os.makedirs", full)
        patch.setattr("os.mkdir", full)
        first, second = journal.open_new(layout, "33_4"), journal.open_new(layout, "33_4")
        first.write(events.Started(attempt=0))
        assert not first.is_followed
    second.write(events.Started(attempt=1))
    second.write(events.Prepared())
    first.write(events.Prepared())
    first.write(events.Finalizing())
    assert [attempt.started.attempt for attempt in journal.read_attempts(layout)] == [1]
    assert [record.name for record in journal.read(second.path)] == ["started", "prepared"]
    assert (first.is_followed, second.is_followed) == (True, False)


def test_a_journal_refused_by_a_full_disk_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = RunLayout(str(tmp_path))
    Path(layout.journals).mkdir()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.open", full)
        written = journal.open_new(layout, "7")
        written.write(events.Started(job_id="7"))
    written.write(events.Prepared())
    written.write(events.Finalizing())
    assert [record.name for record in journal.read(written.path)] == ["started", "prepared", "finalizing"]
    assert not written.is_followed


def test_attempts_are_ordered_by_their_starts(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    Path(layout.journals).mkdir()
    for job, time in (("9", 30), ("10", 20)):
        Path(layout.journal(job, 0)).write_text(json.dumps({"event": "started", "time": time, "job_id": job}) + "\n")
    assert [one.started.job_id for one in journal.read_attempts(layout)] == ["10", "9"]


def test_outcome_of_an_attempt_is_read(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    written = journal.open_new(layout, "7")
    written.write(events.Started(job_id="7"))
    assert (journal.read_attempts(layout)[0].outcome, journal.read_attempts(layout)[0].decided) == (None, None)
    written.write(events.Decided(FULL.to_dict()))
    assert (journal.read_attempts(layout)[0].outcome, journal.read_attempts(layout)[0].decided) == (None, FULL)
    written.write(events.Ended(Outcome(Cause.CANCELED).to_dict()))
    (ended,) = journal.read_attempts(layout)
    assert ended.outcome == ended.decided == Outcome(Cause.CANCELED)


def test_a_run_without_journals_has_no_attempts(tmp_path: Path) -> None:
    assert journal.read_attempts(RunLayout(str(tmp_path))) == []


# --- texts


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome(Cause.SCRIPT, exit_code=0), ""),
        (
            Outcome(Cause.SCRIPT, exit_code=0, detail={"late": ["evaluator-0"], "grace_s": 60.0}),
            "evaluator-0 had not ended 60 s after the training had succeeded",
        ),
        (FULL, "worker-1 on node2 was killed by signal 9 (SIGKILL); the last lines of logs/worker-1.err:\nboom"),
        (
            Outcome(Cause.STRAGGLER, "worker-1", detail={"late": ["worker-1"], "grace_s": 10}),
            "worker-1 had not ended 10 s after the first success",
        ),
        (
            Outcome(Cause.NOT_CONNECTED, detail={"missing": [f"worker-{n}" for n in range(9)], "waited_s": 600}),
            "worker-0, worker-1, worker-2, worker-3, worker-4, worker-5, worker-6, worker-7 and 1 more did not connect "
            "within 600 s of the first task",
        ),
        (
            Outcome(Cause.LAUNCHER, signal=9, detail={"launcher": "srun", "missing": []}),
            "srun was killed by signal 9 (SIGKILL)",
        ),
        (
            Outcome(Cause.LAUNCHER, exit_code=1, detail={"launcher": "none", "missing": ["main-0"]}),
            "the task's agent ended with exit code 1, and main-0 never reported",
        ),
    ],
)
def test_text_of_an_outcome(outcome: Outcome, text: str) -> None:
    assert describe_outcome(outcome) == text


@pytest.mark.parametrize(
    ("written", "unanswered"),
    [
        (b"srun: error: Unable to confirm allocation for job 2: Socket timed out on send/recv operation\n", True),
        (b"srun: error: Unable to create step for job 2: Connection refused\n", True),
        (b"srun: error: Unable to create step for job 2: Invalid generic resource (gres) specification\n", False),
        (b"srun: error: Unable to confirm allocation for job 2: Invalid job id specified\n", False),
        (b"worker: Socket timed out\n", False),
        (b"", False),
    ],
)
def test_an_unanswered_launcher_is_recognized_by_its_error(written: bytes, unanswered: bool) -> None:
    assert job_log.was_unanswered(written) is unanswered
