"""When a job's time is over, and whether a signal is Slurm's warning about it."""

from __future__ import annotations

import time

import pytest

from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size, Timings
from slurmtf.job.supervisor import time_limit
from slurmtf.job.supervisor.time_limit import EARLY_S, TimeLimit, choose_leave, compute_left_for_script, is_notice_due, is_over

SLACK_S = 5.0
AGE_S = 10.0


@pytest.fixture(autouse=True)
def _age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "_measure_age", lambda: AGE_S)


def limit(time_s: int | None, scheduler: str = "slurm", **environ: str) -> TimeLimit:
    return TimeLimit(JobPlan(Run("x-1", "x"), scheduler, Distribution(()), Size(time_s=time_s), "srun"), environ)


@pytest.mark.parametrize(
    ("asked", "scheduler", "ends_in", "left"),
    [
        (None, "slurm", None, None),
        (60, "slurm", None, 60 - AGE_S),
        (61, "slurm", None, 120 - AGE_S),  # Slurm's limits are whole minutes
        (90, "slurm", 300, 300.0),  # Slurm itself sets the variable
        (None, "slurm", 300, 300.0),
        (90, "local", None, 90.0),
        (90, "local", 300, 90.0),  # the variable is that of the job in which it was submitted
        (None, "local", 300, None),
    ],
)
def test_what_is_left(asked: int | None, scheduler: str, ends_in: float | None, left: float | None) -> None:
    environ = {} if ends_in is None else {"SLURM_JOB_END_TIME": str(int(time.time() + ends_in))}
    found = limit(asked, scheduler, **environ).left
    assert (found is None) == (left is None)
    assert left is None or found is None or left - SLACK_S < found <= left + 1


@pytest.mark.parametrize(("behind_s", "left"), [(0, 600 - AGE_S), (90, 600 - AGE_S), (-90, 600 - AGE_S - 90)])
def test_a_node_whose_clock_is_behind_does_not_count_on_too_much(behind_s: int, left: float) -> None:
    start = int(time.time() - AGE_S + behind_s)
    environ = {"SLURM_JOB_START_TIME": str(start), "SLURM_JOB_END_TIME": str(start + 600)}
    found = limit(600, **environ).left
    assert found is not None
    assert left - SLACK_S < found <= left + 1


@pytest.mark.parametrize(
    ("beyond", "near", "explains"),
    [(-60.0, True, True), (EARLY_S / 2, False, True), (EARLY_S + 60, False, False)],
)
def test_slurms_warning_may_arrive_a_minute_early(beyond: float, near: bool, explains: bool) -> None:
    """``beyond``: seconds by which the signal is earlier than requested."""
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution(()), Size(), "srun")
    found = limit(None, SLURM_JOB_END_TIME=str(int(time.time() + plan.timings.warning + beyond)))
    assert (found.is_near, found.explains_signal) == (near, explains)


def test_without_a_limit_a_signal_is_a_warning_and_no_limit_is_near() -> None:
    found = limit(None)
    assert (found.is_near, found.explains_signal) == (False, True)


@pytest.mark.parametrize(
    ("left", "preempted", "cause"),
    [
        (None, False, Cause.TIME_LIMIT),
        (None, True, Cause.PREEMPTED),
        (3600.0, False, Cause.PREEMPTED),  # nothing else sends the signal so early
        (3600.0, True, Cause.PREEMPTED),
        (150.0, False, None),  # near the limit it is Slurm's warning, for which our own clock has a time
        (30.0, False, None),
        (150.0, True, Cause.PREEMPTED),  # the grace time may be over before a notice of the limit would come
        (30.0, True, Cause.PREEMPTED),
    ],
)
def test_cause_that_slurms_signal_announces(left: float | None, preempted: bool, cause: Cause | None) -> None:
    environ = {} if left is None else {"SLURM_JOB_END_TIME": str(int(time.time() + left))}
    assert limit(None, **environ).find_announced(lambda: preempted) is cause


def test_the_limit_is_warned_of_once() -> None:
    found = limit(60)
    assert [found.warn_once(), found.warn_once()] == [True, False]


@pytest.mark.parametrize(
    ("left", "keeps_time", "leave_s", "over"),
    [
        (None, False, 0.0, False),
        (None, True, 35.0, False),
        (1.0, False, 0.0, False),
        (0.0, False, 0.0, True),  # nothing else ends it
        (-5.0, True, 0.0, False),  # Slurm does
        (35.1, True, 35.0, False),
        (35.0, True, 35.0, True),  # the successor must still be arranged
        (-5.0, True, 35.0, True),
    ],
)
def test_tasks_are_ended_in_time_before_the_limit(left: float | None, keeps_time: bool, leave_s: float, over: bool) -> None:
    assert is_over(left, keeps_time, leave_s) is over


@pytest.mark.parametrize(
    ("scheduler", "goes_on", "leave_s"), [("slurm", True, 7.0), ("slurm", False, 0.0), ("local", True, 0.0)]
)
def test_time_reserved_before_the_limit_for_a_run_that_continues(scheduler: str, goes_on: bool, leave_s: float) -> None:
    plan = JobPlan(Run("x-1", "x"), scheduler, Distribution(()), timings=Timings(leave=7.0))
    assert choose_leave(plan, goes_on) == leave_s


@pytest.mark.parametrize(
    ("left", "before", "leave_s", "due"),
    [
        (None, 60, 0.0, False),
        (61.0, 60, 0.0, False),
        (60.0, 60, 0.0, True),
        (95.0, 60, 35.0, True),  # counted from the time at which we end it
        (95.1, 60, 35.0, False),
        (1.0, 0, 35.0, False),  # the user wants no notice
    ],
)
def test_a_notice_of_the_limit_is_due_in_time(left: float | None, before: float, leave_s: float, due: bool) -> None:
    assert is_notice_due(left, before, leave_s) is due


@pytest.mark.parametrize(
    ("notice", "left", "leave_s", "after"),
    [
        (Cause.TIME_LIMIT, 95.0, 35.0, 60.0),
        (Cause.TIME_LIMIT, 20.0, 35.0, 0.0),
        (Cause.TIME_LIMIT, None, 35.0, None),
        (Cause.PREEMPTED, 95.0, 35.0, None),  # unknown
        (None, 95.0, 35.0, None),
    ],
)
def test_time_left_to_a_script_after_its_notice(
    notice: Cause | None, left: float | None, leave_s: float, after: float | None
) -> None:
    assert compute_left_for_script(notice, left, leave_s) == after
