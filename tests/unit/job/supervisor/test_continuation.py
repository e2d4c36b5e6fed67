"""What a job arranges so that its run continues: what is done in Slurm, and when it is recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.journal import Journal, open_new, read, read_attempts
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.life import Budget
from slurmtf.job.contract.metrics.entries import Entry, to_line
from slurmtf.job.contract.plan import Distribution, JobPlan, Run
from slurmtf.job.supervisor.continuation import Continuation
from slurmtf.job.supervisor.job import Job
from slurmtf.job.supervisor.slurm_job import Answer


class Slurm:
    """Our job in Slurm as a supervisor sees it: what it requests, and which job the run folder names at that time."""

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self.orders: list[tuple[str, ...]] = []

    def ask_facts(self) -> dict[str, str]:
        return {"Requeue": "0"}

    def was_requeued(self, _: Mapping[str, str]) -> bool:
        return False

    def may_be_requeued(self, _: Mapping[str, str]) -> bool:
        return False

    def may_submit(self) -> bool:
        return True

    def resubmit(self, *_: object) -> Answer:
        self.orders.append(("submit", self.noted()))
        return Answer("13")

    def move_followers(self, was: str, now: str) -> str:
        self.orders.append((was, now, self.noted()))
        return ""

    def cancel(self, job: str = "") -> None:
        self.orders.append(("cancel", job))

    def noted(self) -> str:
        lines = Path(self.layout.jobs).read_text().splitlines()
        return str(json.loads(lines[-1])["ref"]["job_id"])


def test_a_decision_to_end_the_run_counts_no_further_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = RunLayout(str(tmp_path))
    monkeypatch.setattr("slurmtf.job.supervisor.continuation.SlurmJob", lambda *_: Slurm(layout))
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), restarts=(Budget("script", 1),))
    journal = Journal(str(tmp_path / "12.0.jsonl"))
    continuation = Continuation(Job(plan, layout, {"SLURM_JOB_ID": "12"}, journal), [])
    numbers = []
    for exit_code in (1, 2):
        outcome = Outcome(Cause.SCRIPT, exit_code=exit_code, tail=f"error {exit_code}")
        if not continuation.decide_restart(outcome):
            continuation.on_attempt_ended(outcome)
        numbers.append(continuation.restarts.number)
    assert numbers == [2, 2]
    lines = (tmp_path / "12.0.jsonl").read_text().splitlines()
    assert [json.loads(line)["how"] for line in lines] == ["launch", "end"]


def test_a_job_is_recorded_before_its_followers_are_moved_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = RunLayout(str(tmp_path))
    slurm = Slurm(layout)
    monkeypatch.setattr("slurmtf.job.supervisor.continuation.SlurmJob", lambda *_: slurm)
    Path(layout.jobs).write_text(json.dumps({"ref": {"cluster": None, "job_id": "12", "element": None}}) + "\n")
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), restarts=(Budget("preempted", 1),))
    journal = Journal(str(tmp_path / "12.0.jsonl"))
    continuation = Continuation(Job(plan, layout, {"SLURM_JOB_ID": "12"}, journal), [])
    continuation.hand_over(Cause.PREEMPTED, "")
    assert slurm.orders == [("submit", "12"), ("12", "13", "13")]
    continuation.on_attempt_ended(Outcome(Cause.SCRIPT, exit_code=0))
    assert slurm.orders[2:] == [("13", "12", "12"), ("cancel", "13")]


def test_runs_that_began_to_wait_while_the_job_was_killed_are_moved_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their client was killed before it could look again."""
    layout = RunLayout(str(tmp_path))
    slurm = Slurm(layout)
    monkeypatch.setattr("slurmtf.job.supervisor.continuation.SlurmJob", lambda *_: slurm)
    Path(layout.jobs).write_text(json.dumps({"ref": {"cluster": None, "job_id": "12", "element": None}}) + "\n")
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), restarts=(Budget("preempted", 1),))
    continuation = Continuation(Job(plan, layout, {"SLURM_JOB_ID": "12"}, Journal(str(tmp_path / "12.0.jsonl"))), [])
    continuation.hand_over(Cause.PREEMPTED, "")
    continuation.on_attempt_ended(PREEMPTED)
    assert slurm.orders == [("submit", "12"), ("12", "13", "13"), ("12", "13", "13")]


def test_a_failure_is_located_by_the_metrics_of_the_last_launch(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    plan = JobPlan(Run("x-1", "x"), "local", Distribution((("main", 1),)), restarts=(Budget("script", 0),))
    written = Journal(str(tmp_path / "12.0.jsonl"))
    continuation = Continuation(Job(plan, layout, {}, written), [])
    path = Path(layout.launch("trials/1").task_metrics("main-0"))
    path.parent.mkdir(parents=True)
    path.write_bytes(to_line(Entry("loss", 1.0, 7)))
    continuation.on_launch_starting("trials/1")
    with path.open("ab") as file:
        file.write(to_line(Entry("loss", 0.5, 9)) + to_line(Entry("note", 1.0)))
    continuation.on_attempt_ended(Outcome(Cause.SCRIPT, exit_code=3, tail="an error"))
    (record,) = read(written.path)
    assert (record.event.how, record.event.place) == ("end", "an error (step 9)")


DONE, FAILED = Outcome(Cause.SCRIPT, exit_code=0), Outcome(Cause.SCRIPT, exit_code=3)
PREEMPTED = Outcome(Cause.PREEMPTED, signal=15)


@pytest.mark.parametrize(
    ("job", "requeues", "ended", "follower", "budgets", "expected"),
    [
        ("12", 0, None, "", (), None),
        ("12", 1, DONE, "", (), DONE),  # Slurm has not noticed its end
        ("12", 0, DONE, "", (), None),  # another job was submitted under the same id
        ("13", 0, DONE, "13", (), DONE),  # submitted to continue before it was known that this is not needed
        ("13", 0, DONE, "14", (), None),
        ("13", 1, DONE, "", (), None),
        ("12", 1, FAILED, "", (), None),
        ("12", 1, PREEMPTED, "", (Budget("preempted", 0),), PREEMPTED),  # Slurm started it once too often
        ("12", 1, PREEMPTED, "", (Budget("preempted", 1),), None),
        ("12", 1, PREEMPTED, "", (), None),
    ],
)
def test_a_job_with_nothing_left_to_do_is_recognized(
    tmp_path: Path,
    job: str,
    requeues: int,
    ended: Outcome | None,
    follower: str,
    budgets: tuple[Budget, ...],
    expected: Outcome | None,
) -> None:
    layout = RunLayout(str(tmp_path))
    if ended:
        earlier = open_new(layout, "12")
        earlier.write(events.Started(job_id="12"))
        if follower:
            earlier.write(events.Restart("resubmit", "preempted", "preempted", job=follower))
        earlier.write(events.Ended(ended.to_dict()))
    known = read_attempts(layout)
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), restarts=budgets)
    environ = {"SLURM_JOB_ID": job, "SLURM_RESTART_COUNT": str(requeues)}
    assert Continuation(Job(plan, layout, environ, open_new(layout, job)), known).restarts.find_known_outcome() == expected
