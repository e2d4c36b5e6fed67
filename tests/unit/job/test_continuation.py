"""What a job arranges for its run to go on: what is done in Slurm, and when it is written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.journal import Journal
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.life import Budget
from slurmtf.job.contract.plan import Distribution, JobPlan, Run
from slurmtf.job.supervisor.continuation import Continuation
from slurmtf.job.supervisor.slurm_job import Said


class Slurm:
    """Our job in Slurm as a supervisor sees it: what it asks for, and which job the run's folder tells of at that time."""

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self.orders: list[tuple[str, ...]] = []

    def facts(self) -> dict[str, str]:
        return {"Requeue": "0"}

    def returns(self, _: Mapping[str, str]) -> bool:
        return False

    def may_be_requeued(self, _: Mapping[str, str]) -> bool:
        return False

    def may_submit(self) -> bool:
        return True

    def resubmit(self, *_: object) -> Said:
        self.orders.append(("submit", self.noted()))
        return Said("13")

    def move_followers(self, was: str, now: str) -> str:
        self.orders.append((was, now, self.noted()))
        return ""

    def cancel(self, job: str = "") -> None:
        self.orders.append(("cancel", job))

    def noted(self) -> str:
        lines = Path(self.layout.jobs).read_text().splitlines()
        return str(json.loads(lines[-1])["ref"]["job_id"])


def test_what_ends_a_run_is_no_attempt_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = RunLayout(str(tmp_path))
    monkeypatch.setattr("slurmtf.job.supervisor.continuation.SlurmJob", lambda _: Slurm(layout))
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), restarts=(Budget("script", 1),))
    journal = Journal(str(tmp_path / "12.0.jsonl"))
    continuation = Continuation(plan, layout, {"SLURM_JOB_ID": "12"}, journal, [])
    numbers = []
    for exit_code in (1, 2):
        outcome = Outcome(Cause.SCRIPT, exit_code=exit_code, tail=f"error {exit_code}")
        if not continuation.in_allocation(outcome):
            continuation.after(outcome)
        numbers.append(continuation.number)
    assert numbers == [2, 2]
    lines = (tmp_path / "12.0.jsonl").read_text().splitlines()
    assert [json.loads(line)["how"] for line in lines] == ["launch", "end"]


def test_a_job_is_written_down_before_those_that_wait_are_moved_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = RunLayout(str(tmp_path))
    slurm = Slurm(layout)
    monkeypatch.setattr("slurmtf.job.supervisor.continuation.SlurmJob", lambda _: slurm)
    Path(layout.jobs).write_text(json.dumps({"ref": {"cluster": None, "job_id": "12", "element": None}}) + "\n")
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), restarts=(Budget("preempted", 1),))
    journal = Journal(str(tmp_path / "12.0.jsonl"))
    continuation = Continuation(plan, layout, {"SLURM_JOB_ID": "12"}, journal, [])
    continuation.hand_over(Cause.PREEMPTED, "")
    assert slurm.orders == [("submit", "12"), ("12", "13", "13")]
    continuation.after(Outcome(Cause.SCRIPT, exit_code=0))
    assert slurm.orders[2:] == [("13", "12", "12"), ("cancel", "13")]
