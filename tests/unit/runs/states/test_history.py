"""Journal events become attempts, including late, repeated and damaged events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.journal import read_successive_jobs
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.history import Attempt, Next, Phase, TaskEnd, build_attempt, read_history, sort_attempts
from tests.unit.runs.states.stories import AGAIN, DONE, FAILED, LAUNCHED, PREEMPTED, RUNS, START, attempt, ended, lines


def test_events_become_an_attempt() -> None:
    one = attempt(*RUNS, events.TaskEnded(0, "main-0", 3), events.Finalizing(), events.Ended(FAILED.to_dict()))
    assert (one.job, one.number, one.started, one.nodes) == ("12", 0, START, "node[1-2]")
    assert (one.phase, one.outcome, one.ended, one.end) == (Phase.FINALIZING, FAILED, START + 6, FAILED)
    assert one.task_ends == (TaskEnd(0, "main-0", 3, None, START + 4),)


@pytest.mark.parametrize(
    ("later", "phase"),
    [
        ((), Phase.PREPARING),
        ((events.Prepared(),), Phase.PREPARING),
        ((events.Prepared(), LAUNCHED), Phase.STARTING),
        (RUNS, Phase.RUNNING),
        ((*RUNS, events.Decided(DONE.to_dict())), Phase.FINALIZING),
        ((*RUNS, events.Finalizing(), *RUNS), Phase.FINALIZING),  # late events take nothing back
        ((*RUNS, LAUNCHED, events.Prepared()), Phase.RUNNING),
        ((*RUNS, events.TaskRestarted(0, "main-0")), Phase.RUNNING),
    ],
)
def test_phase_of_an_attempt(later: tuple[Any, ...], phase: Phase) -> None:
    assert attempt(*later).phase is phase


def test_repeated_events_count_once() -> None:
    end = lines(events.TaskEnded(0, "main-0", 3), events.Ended(FAILED.to_dict()))
    twice = build_attempt("12.0.jsonl", [*end, *end])
    assert twice == build_attempt("12.0.jsonl", end)
    later = attempt(*RUNS, events.Ended(FAILED.to_dict()), events.Ended(DONE.to_dict()))
    assert (later.outcome, later.ended) == (FAILED, START + 4)
    decided = attempt(*RUNS, events.Decided(FAILED.to_dict()), events.Decided(DONE.to_dict()))
    assert decided.decided == FAILED


@pytest.mark.parametrize(
    ("hows", "may_return"),
    [((), False), (("launch", "requeue"), True), (("launch", "return"), True), (("launch", "resubmit"), False)],
)
def test_the_last_decision_shows_whether_the_job_returns(hows: tuple[str, ...], may_return: bool) -> None:
    one = attempt(*RUNS, *(events.Restart(how=how, why="script") for how in hows), events.Ended(FAILED.to_dict()))
    assert (one.may_return, one.end) == (may_return, None if may_return else FAILED)


def test_without_slurm_the_node_is_the_host() -> None:
    began = events.Started(job_id="77", host="laptop", process={"host": "laptop", "pid": 5, "started": 6})
    one = build_attempt("77.0.jsonl", [events.Record.from_event(began, START)])
    assert one is not None
    assert one.nodes == "laptop"


def test_an_end_is_not_final_if_slurm_may_start_the_job_again() -> None:
    assert ended(PREEMPTED).outcome == PREEMPTED
    assert ended(PREEMPTED).end is None


def test_attempts_are_ordered_by_their_starts_and_know_their_successor() -> None:
    first, second, by_hand = ended(PREEMPTED), ended(FAILED, start=AGAIN, number=1), ended(DONE, start=AGAIN + 99, job="19")
    found = sort_attempts([by_hand, second, first])
    assert [(one.job, one.number, one.next) for one in found] == [
        ("12", 0, Next.REQUEUED),
        ("12", 1, Next.RESUBMITTED),
        ("19", 0, Next.NONE),
    ]


def test_an_element_of_an_array_has_its_own_name() -> None:
    assert attempt(job="33_4").job == "33_4"


@pytest.mark.parametrize("name", ["12.0.jsonl.tmp", "12.jsonl", "notes.txt", ".0.jsonl", "x;y.z.0.jsonl"])
def test_other_files_are_not_read_as_journals(name: str, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / name).write_text(line(events.Started(job_id="12")))
    assert read_history(RunLayout(str(tmp_path))).attempts == ()


def line(event: Any, time: float = START) -> str:
    return json.dumps(events.Record.from_event(event, time).to_dict()) + "\n"


DAMAGED = [
    "[1]\n",
    "null\n",
    '{"event": 3}\n',
    '{"time": 1}\n',
    "[" * 100_000 + "\n",
    "\xff\n",
    "{\n",
    '{"event": "ended", "outcome": 3, "time": "x"}',
]


@pytest.mark.parametrize("damage", DAMAGED, ids=range(len(DAMAGED)))
def test_a_line_that_is_no_event_does_not_affect_others(damage: str, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    text = line(events.Started(job_id="12")) + damage + "\n" + line(LAUNCHED) + line(events.TaskStarted())
    (tmp_path / "journal" / "12.0.jsonl").write_text(text, encoding="latin-1")
    (one,) = read_history(RunLayout(str(tmp_path))).attempts
    assert (one.job, one.phase >= Phase.RUNNING) == ("12", True)


@pytest.mark.parametrize("process", [None, [], {"pid": "x"}, {"host": "a"}, {"host": "a", "pid": "²", "started": 1}])
def test_a_malformed_process_of_a_start_is_ignored(process: Any) -> None:
    record = events.Record.from_dict({"event": "started", "time": START, "job_id": "12", "process": process})
    assert record is not None
    one = build_attempt("12.0.jsonl", [record])
    assert isinstance(one, Attempt)
    assert one.process is None


def test_a_run_without_journals_has_no_history(tmp_path: Path) -> None:
    found = read_history(RunLayout(str(tmp_path)))
    assert (found.attempts, found.last, found.heartbeat, found.unreadable) == ((), None, None, ())


def test_a_file_in_the_place_of_the_journal_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")
    assert read_history(RunLayout(str(tmp_path))).unreadable == ("journal",)


def test_attempts_of_one_job_come_by_their_number_whatever_the_clocks_of_their_nodes_say() -> None:
    times = {("12", 0): 190.0, ("12", 1): 120.0, ("12", 2): 210.0, ("13", 0): 300.0}
    found = sort_attempts(Attempt(job, number, started=started) for (job, number), started in reversed(times.items()))
    assert [(one.job, one.number) for one in found] == list(times)


JOBS = [  # the jobs in jobs.jsonl, and each journal with the time of its node's clock, in order
    (["12", "13", "14"], {("12", 0): 300.0, ("12", 1): 250.0, ("13", 0): 100.0, ("14", 0): 200.0}),
    (["12", "13", "12"], {("12", 0): 300.0, ("12", 1): 100.0}),
    (["12"], {("12", 0): 100.0, ("99", 0): 200.0}),
    (["12", "13"], {("12", 0): 100.0, ("99", 0): 150.0, ("13", 0): 200.0}),
    ([], {("33_1", 0): 100.0, ("33_0", 0): 200.0}),
]


@pytest.mark.parametrize(("jobs", "times"), JOBS)
def test_jobs_come_as_they_followed_one_another(jobs: list[str], times: dict[tuple[str, int], float]) -> None:
    found = sort_attempts((Attempt(job, number, started=started) for (job, number), started in reversed(times.items())), jobs)
    assert [(one.job, one.number) for one in found] == list(times)


def test_the_order_of_jobs_is_read_from_the_records(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    refs: list[Any] = [("12", None, 0), ("13", 4, 0), ("14", None, 8), ("15", None, 0)]
    records = [json.dumps({"ref": {"job_id": job, "element": element}, "elements": count}) for job, element, count in refs]
    Path(layout.jobs).write_text("\n".join(["{torn", "[]", '{"ref": null}', *records]) + "\n")
    attempts = [Attempt(job, 0, started=1.0) for job in ("12", "15")]
    assert read_successive_jobs(layout, attempts) == ["12", "15"]
    assert read_successive_jobs(layout, attempts[:1]) == []
    assert read_successive_jobs(RunLayout("/nonexistent"), attempts) == []
