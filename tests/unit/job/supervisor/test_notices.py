"""Notices of an end before it comes: when they are given, only once, and again for another attempt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt import journal
from slurmtf.job.contract.attempt.journal import Journal
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.life import Notice
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size, Timings
from slurmtf.job.supervisor.job import Job
from slurmtf.job.supervisor.notices import Notices

HOUR = 3600
TIMINGS = Timings(warning=600, leave=100)


class NoticedJob:
    """Notices of a job with ``left`` seconds until its limit, and their events in the journal."""

    def __init__(
        self,
        folder: Path,
        left: int | None,
        before: int = 60,
        goes_on: bool = False,
        preempted: bool = False,
        scheduler: str = "slurm",
    ) -> None:
        size = Size(time_s=left if scheduler == "local" else None)
        notice = Notice(before=before)
        plan = JobPlan(Run("x-1", "x"), scheduler, Distribution(()), size, timings=TIMINGS, notice=notice)
        environ = {} if left is None else {"SLURM_JOB_END_TIME": str(int(time.time()) + left)}
        self.path = str(folder / "7.0.jsonl")
        self.notices = Notices(Job(plan, RunLayout(str(folder)), environ, Journal(self.path)), goes_on, lambda: preempted)

    @property
    def names(self) -> list[str]:
        return [record.name for record in journal.read(self.path)]


@pytest.mark.parametrize(
    ("left", "before", "preempted", "tells", "names"),
    [
        (None, 60, False, Cause.TIME_LIMIT, ["time-warning", "noticed"]),
        (300, 60, False, None, ["time-warning"]),  # our own clock announces the limit in time
        (300, 60, True, Cause.PREEMPTED, ["time-warning", "noticed"]),
        (HOUR, 60, False, Cause.PREEMPTED, ["noticed"]),  # nothing else sends the signal so early
        (HOUR, 0, True, None, []),  # the user wants no notice
    ],
)
def test_slurms_signal_gives_one_notice(
    tmp_path: Path, left: int | None, before: int, preempted: bool, tells: Cause | None, names: list[str]
) -> None:
    job = NoticedJob(tmp_path, left, before, preempted=preempted)
    assert job.notices.on_signal() is (tells is not None)
    assert job.notices.given is tells
    assert not job.notices.on_signal(), "once"
    assert job.names == names


@pytest.mark.parametrize(
    ("left", "before", "goes_on", "tells", "names"),
    [
        (None, 60, False, False, []),
        (HOUR, 60, False, False, []),
        (300, 60, False, False, ["time-warning"]),
        (50, 60, False, True, ["time-warning", "noticed"]),
        (150, 60, True, True, ["time-warning", "noticed"]),  # counted from the time at which we end it
        (150, 60, False, False, ["time-warning"]),
        (50, 0, True, False, ["time-warning"]),
    ],
)
def test_our_own_clock_gives_one_notice(
    tmp_path: Path, left: int | None, before: int, goes_on: bool, tells: bool, names: list[str]
) -> None:
    job = NoticedJob(tmp_path, left, before, goes_on)
    assert [job.notices.tick() for _ in range(2)] == [tells, False]
    assert job.names == names


def test_the_first_notice_counts(tmp_path: Path) -> None:
    job = NoticedJob(tmp_path, 50, preempted=True)
    assert job.notices.on_signal()
    assert not job.notices.tick()
    assert (job.notices.given, job.notices.left_for_script) == (Cause.PREEMPTED, None)


@pytest.mark.parametrize(
    ("scheduler", "left", "goes_on", "over"),
    [("slurm", 99, True, True), ("slurm", 99, False, False), ("local", HOUR, True, False)],
)
def test_tasks_are_ended_in_time_before_the_limit(tmp_path: Path, scheduler: str, left: int, goes_on: bool, over: bool) -> None:
    assert NoticedJob(tmp_path, left, goes_on=goes_on, scheduler=scheduler).notices.is_over is over


@pytest.mark.parametrize("with_limit", [True, False])
def test_a_new_attempt_gets_a_new_notice(tmp_path: Path, with_limit: bool) -> None:
    job = NoticedJob(tmp_path, 50)
    assert job.notices.tick()
    job.notices.begin_anew(with_limit)
    assert job.notices.given is None
    assert job.notices.tick()
    warnings = 2 if with_limit else 1  # one notice for each limit
    assert (job.names.count("time-warning"), job.names.count("noticed")) == (warnings, 2)
