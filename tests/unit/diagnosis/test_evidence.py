"""Which parts of which logs are read, and in which order."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from slurmtf.diagnosis import evidence
from slurmtf.diagnosis.evidence import (
    CUT,
    HEAD_BYTES,
    MOST_DISTINCT,
    TAIL_BYTES,
    TAIL_OF_OTHERS,
    explain_run,
    list_failures,
    read_logs,
    select_distinct_lines,
)
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.history import Attempt, TaskEnd, build_attempt
from slurmtf.runs.states.state import RunState, RunStatus
from tests.unit.runs.states.stories import lines

SIZE = 1 << 20


def run_of(folder: Path, logs: dict[str, str]) -> RunLayout:
    (folder / "logs").mkdir(parents=True)
    for name, text in logs.items():
        (folder / "logs" / name).write_text(text)
    return RunLayout(str(folder))


def test_logs_of_the_first_failed_tasks_come_first_and_at_length(tmp_path: Path) -> None:
    layout = run_of(tmp_path, {f"rank-{number}.err": "x" * SIZE for number in range(9)})
    found = {log.name: len(log.text) for log in read_logs(layout, ["rank-7", "rank-3"])}
    at_length, short = HEAD_BYTES + len(CUT) + TAIL_BYTES, len(CUT) + TAIL_OF_OTHERS
    assert list(found)[:4] == ["logs/job.log", "logs/rank-7.err", "logs/rank-3.err", "logs/rank-0.err"]
    assert list(found.values()) == [0, *[at_length] * 4, *[short] * 5]


def test_the_whole_log_is_read_if_its_ends_explain_nothing(tmp_path: Path) -> None:
    raised = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 7, in <module>\n    main()\n'
    middle = "step\n" * SIZE + raised + "OSError: [Errno 122] Disk quota exceeded\n" + "a thread goes on\n" * SIZE
    layout = run_of(tmp_path, {"main-0.out": middle})
    state = RunState(RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT, "main-0", exit_code=1))
    assert explain_run(layout, state).kind is Kind.QUOTA


@pytest.mark.parametrize("begin", [-1, 1 << 40])
def test_a_log_emptied_since_is_read_from_its_beginning(begin: int, tmp_path: Path) -> None:
    layout = run_of(tmp_path, {"rank-0.err": "KeyError: 3"})
    assert [log.text for log in read_logs(layout, [], {"rank-0.err": begin}) if log.task] == ["KeyError: 3"]


def test_lines_that_differ_only_in_digits_are_read_once() -> None:
    text = b"step 1 of 90\nstep 2 of 90\nodd: 7\nstep 3 of 90\nodd: x"
    assert select_distinct_lines(text.split(b"\n")) == b"step 1 of 90\nodd: 7\nodd: x"


def test_a_huge_log_is_read_up_to_a_limit() -> None:
    """Nor is it read as one line of that length."""
    endless = (b"x" * 1000 + bytes(divmod(number, 256)) for number in itertools.count())
    assert len(select_distinct_lines(endless)) < 2 * MOST_DISTINCT


def test_a_very_long_line_is_read_in_pieces(tmp_path: Path) -> None:
    line = "ab" * (SIZE // 2) + " Error: an odd thing " + "ab" * (SIZE // 2)
    (text,) = (log.text for log in read_logs(run_of(tmp_path, {"rank-0.err": line}), [], whole=True) if log.task)
    assert "an odd thing" in text
    assert len(text) < len(line)


@pytest.mark.parametrize(
    ("middle", "read"),
    [("a quiet line\n", False), ("lab.OddError: 3\n", True), ("n1:7:7 [0] NCCL WARN odd\n", True), ("ERROR at 3\n", True)],
)
@pytest.mark.parametrize("block", [1 << 24, 100])
def test_the_middle_is_read_if_it_contains_an_error(
    middle: str, read: bool, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the size of the blocks in which it is read."""
    monkeypatch.setattr(evidence, "BLOCK", block)
    layout = run_of(tmp_path, {"rank-0.err": "step\n" * (SIZE // 10) + middle + "step\n" * (SIZE // 10)})
    (text,) = (log.text for log in read_logs(layout, [], whole=True) if log.task)
    assert (middle in text) is read


def test_failures_are_ordered_by_their_ends() -> None:
    ends = (TaskEnd(0, "rank-0", 1, None, 9.0), TaskEnd(1, "rank-1", None, 9, 5.0), TaskEnd(2, "rank-2", 0, None, 1.0))
    found = list_failures(Attempt("7", 0, started=0.0, task_ends=ends))
    assert [(failure.task, failure.end) for failure in found] == [("rank-1", End(None, 9)), ("rank-0", End(1))]


THROWN_OUT = "slurmstepd-node1: error: *** JOB 12 ON node1 CANCELLED AT 2026-11-29T06:58:27 DUE TO PREEMPTION ***\n"
RAISED = """Traceback (most recent call last):
  File "/lab/work/train.py", line {0}, in <module>
    raise KeyError("{0}")
KeyError: '{0}'
"""
FIRST, SECOND = RAISED.format(1), RAISED.format(2)
OOM = "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0.\n"


def started(job_log: int = 0, launch: int = 0, **begins: int) -> list[object]:
    """Return a launch in which the script of one task was started."""
    return [events.Launched(launch, job_log=job_log), events.TaskStarted(0, "main-0", "node1", **begins)]


def failed(*tasks: str) -> list[object]:
    return [events.TaskEnded(int(task[-1]), task, 1) for task in tasks]


@pytest.mark.parametrize(
    ("journals", "logs", "kind", "shown"),
    [
        pytest.param(
            {"12.0": started(), "12.1": [*started(len(THROWN_OUT)), *failed("main-0")]},
            {"job.log": THROWN_OUT, "main-0.err": FIRST},
            Kind.SCRIPT,
            "KeyError: '1'",
            id="an attempt after a preemption",
        ),
        pytest.param(
            {"12.0": started(), "12.1": started(0)},
            {"job.log": THROWN_OUT, "main-0.err": FIRST},
            Kind.PREEMPTED,
            THROWN_OUT.strip(),
            id="one that was preempted itself",
        ),
        pytest.param(
            {"12.0": [*started(), *started(len(OOM), 1, err=len(FIRST)), *failed("main-0")]},
            {"job.log": OOM, "main-0.err": FIRST + SECOND},
            Kind.SCRIPT,
            "KeyError: '2'",
            id="another launch in the allocation",
        ),
        pytest.param(
            {"12.0": [*started(), *failed("main-0"), *started(0, 1, err=len(FIRST)), *failed("main-0")]},
            {"main-0.err": FIRST},
            Kind.UNKNOWN,
            "",
            id="one that died without a word",
        ),
        pytest.param(
            {"12.0": started(), "15.0": [events.Launched()]},
            {"main-0.err": FIRST},
            Kind.UNKNOWN,
            "",
            id="another job, in which no script was started",
        ),
        pytest.param(
            {"12.0": started(), "12.1": [events.Launched(), *failed("main-0")]},
            {"main-0.err": FIRST},
            Kind.SCRIPT,
            "KeyError: '1'",
            id="a task that could not say where it began",
        ),
        pytest.param({}, {"main-0.err": FIRST}, Kind.SCRIPT, "KeyError: '1'", id="without a journal"),
    ],
)
def test_errors_of_earlier_attempts_explain_nothing(
    journals: dict[str, list[object]], logs: dict[str, str], kind: Kind, shown: str, tmp_path: Path
) -> None:
    layout = run_of(tmp_path, logs)
    (tmp_path / "journal").mkdir()
    for second, (name, recorded) in enumerate(journals.items()):
        records = lines(*recorded, start=1000.0 * (second + 1), number=int(name[-1]), job=name[:2])
        (tmp_path / f"journal/{name}.jsonl").write_text("".join(json.dumps(record.to_dict()) + "\n" for record in records))
    state = RunState(RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT, "main-0", exit_code=1))
    found = explain_run(layout, state)
    assert (found.kind, found.evidence[-1].text if found.evidence else "") == (kind, shown)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ([*failed("rank-1", "rank-0")], ["rank-1", "rank-0"]),
        ([*failed("rank-1"), *started(0, 1), *failed("rank-0")], ["rank-0"]),
        ([*failed("worker-1"), events.TaskRestarted(1, "worker-1"), *failed("worker-0")], ["worker-0"]),
    ],
)
def test_a_failure_before_a_restart_is_not_the_first_failure(recorded: list[object], expected: list[str]) -> None:
    found = build_attempt("12.0.jsonl", lines(*started(), *recorded))
    assert found is not None
    assert [failure.task for failure in list_failures(found)] == expected


def test_the_only_node_of_a_job_is_named(tmp_path: Path) -> None:
    layout = run_of(tmp_path, {"main-0.err": "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n"})
    (tmp_path / "journal").mkdir()
    started = {"event": "started", "time": 1.0, "job_id": "7", "attempt": 0, "host": "n7", "nodes": "n7"}
    (tmp_path / "journal" / "7.0.jsonl").write_text(json.dumps(started) + "\n")
    state = RunState(RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT, "main-0", exit_code=1))
    assert explain_run(layout, state).host == "n7"


def test_a_run_folder_without_logs_is_explained(tmp_path: Path) -> None:
    state = RunState(RunStatus.FAILED, outcome=Outcome(Cause.NOT_STARTED, exit_code=1))
    assert explain_run(RunLayout(str(tmp_path)), state).kind is Kind.NOT_STARTED
    assert explain_run(RunLayout(str(tmp_path)), RunState(RunStatus.FAILED)).kind is Kind.UNKNOWN


AT = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 9, in <module>\n    sys.exit(1)\nSystemExit: {}\n'
HANDLED = (
    "Traceback (most recent call last):\nKeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n"
)


@pytest.mark.parametrize(
    ("noted", "uncaught", "left"),
    [
        (None, None, ""),
        ("", "", ""),
        ("KeyError: 'a'\n", "KeyError: 'a'", ""),
        # several processes share the file: the first one counts
        ("KeyError: 'a'\nlab.PeerError: gone\n", "KeyError: 'a'", ""),
        ("KeyError: 'a'\n\n" + AT.format(1), "KeyError: 'a'", ""),
        ("\n" + AT.format(1), "", AT.format(1)),
        (HANDLED + AT.format(1), "", HANDLED + AT.format(1)),
        # the first exit was caught
        ("\n" + AT.format(1) + HANDLED + AT.format(2), "", HANDLED + AT.format(2)),
        ("\n" + AT.format(1) + "KeyError: 'a'\n", "KeyError: 'a'", ""),
    ],
)
def test_uncaught_errors_and_exits_noted_by_python_are_read(
    noted: str | None, uncaught: str | None, left: str, tmp_path: Path
) -> None:
    layout = run_of(tmp_path, {"main-0.err": ""})
    if noted is not None:
        Path(layout.uncaught("main-0")).write_text(noted)
    (log,) = [log for log in read_logs(layout, []) if log.task]
    assert (log.uncaught, log.exit) == (uncaught, left.strip())
