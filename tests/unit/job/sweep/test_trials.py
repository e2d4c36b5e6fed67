"""What an element does when its launches end: it writes results, releases trials, pauses, or leaves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, to_line
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder, Run, Size
from slurmtf.job.contract.sweep.leases import Owner
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import CANCELED, COMPLETED, FAILED, Point, Result, Settings, SweepLayout
from slurmtf.job.sweep import candidates
from slurmtf.job.sweep.taking import LINGER_S
from slurmtf.job.sweep.trials import Trials

PLAN = JobPlan(Run("x-1", "x"), "local", Distribution((("main", 1),)))
DONE = Outcome(Cause.SCRIPT, exit_code=0)
FAILURE = Outcome(Cause.SCRIPT, "main-0", exit_code=3, tail="Traceback\nValueError: no data\n")
NO_STEP = Outcome(Cause.LAUNCHER, exit_code=1, tail="srun: error: Unable to confirm allocation\n")
POINTS = (Point({"x": 1}), Point({"x": 2}, resumes="/earlier/outputs"), Point({"x": 3}))


class Element:
    """An element of a sweep of three trials, whose launches end as the test says."""

    def __init__(self, folder: Path, points: Sequence[Point] = POINTS, **settings: Any) -> None:
        self.layout, self.files = RunLayout(str(folder)), SweepLayout(str(folder))
        Path(self.files.folder).mkdir(parents=True, exist_ok=True)
        known = Settings(**{"metric": "acc", "total": 3, "deadline": 4e9, **settings})
        Path(self.files.settings).write_text(json.dumps(known.to_dict()))
        Path(self.files.points).write_text("".join(json.dumps(point._asdict()) + "\n" for point in points))
        self.trials = Trials(PLAN, self.layout, {})

    def next(self, left_s: float | None = None) -> LaunchOrder | None:
        return self.trials.take_next(left_s)

    def end(self, outcome: Outcome, *values: float, task: str = "main-0") -> LaunchOrder:
        """Take a trial, log these values of its metric, and end it with this outcome."""
        order = self.next()
        assert order is not None
        path = Path(self.layout.launch(order.folder).task_metrics(task))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.writelines(to_line(Entry("acc", value)) for value in values)
        self.trials.on_launch_ended(order, outcome)
        return order

    def result(self, trial: int) -> Result | None:
        return Ledger(self.files).result(trial)

    def rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the element's pause pass."""
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + candidates.PAUSES_S[-1] + 1)


@pytest.fixture
def element(tmp_path: Path) -> Element:
    return Element(tmp_path / "run")


@pytest.mark.parametrize(
    ("outcome", "status", "why", "error"),
    [
        (DONE, COMPLETED, "", ""),
        (FAILURE, FAILED, "script", "ValueError: no data"),
        (Outcome(Cause.CALLED_OFF, detail={"policy": "policy"}), CANCELED, "policy", ""),
        (Outcome(Cause.CALLED_OFF, detail={"policy": "max_duration_minutes"}), CANCELED, "max_duration_minutes", ""),
        (Outcome(Cause.TIME_LIMIT, signal=15), FAILED, "time-limit", "time-limit (exit code None)"),
        (Outcome(Cause.TASK_LOST, "main-0", exit_code=1), FAILED, "task-lost", "task-lost (exit code 1)"),
    ],
)
def test_ends_that_give_a_result(element: Element, outcome: Outcome, status: str, why: str, error: str) -> None:
    order = element.end(outcome, 0.25, 0.75, 0.5)
    assert (order.arguments, order.folder) == (("--x", "1"), "trials/0")
    result = element.result(0)
    assert result is not None
    assert (result.status, result.why, result.error, result.best, result.values) == (status, why, error, 0.75, 3)
    assert (result.task, result.exit_code, result.signal) == (outcome.task, outcome.exit_code, outcome.signal)


@pytest.mark.parametrize(
    ("outcome", "last"),
    [
        (Outcome(Cause.CANCELED, signal=15), ("left", "canceled")),
        (Outcome(Cause.PREEMPTED, signal=15), ("left", "preempted")),
        (Outcome(Cause.NODE_FAILURE, signal=15), ("left", "node-failure")),
        (Outcome(Cause.CALLED_OFF, detail={"policy": "taken-over"}), ("started", "")),
        (NO_STEP, ("started", "")),
    ],
)
def test_ends_that_give_no_result(element: Element, outcome: Outcome, last: tuple[str, str]) -> None:
    element.end(outcome)
    assert element.result(0) is None
    assert [(event.kind, event.text if event.kind == "left" else "") for event in _last(element)] == [last]


def test_a_time_limit_counts_only_for_a_trial_that_had_the_whole_time(element: Element) -> None:
    element.end(DONE)
    element.end(Outcome(Cause.TIME_LIMIT, signal=15))
    assert element.result(1) is None
    assert [(event.kind, event.text) for event in _last(element)] == [("left", "time-limit")]


def test_a_trial_that_resumes_gets_the_outputs_of_the_earlier_one(element: Element) -> None:
    element.end(DONE)
    assert element.end(DONE).arguments == ("--x", "2", "--resume-from", "/earlier/outputs")


def test_an_element_pauses_after_trouble_and_tries_again(element: Element, monkeypatch: pytest.MonkeyPatch) -> None:
    element.end(NO_STEP)
    assert element.next() is None
    assert element.trials.should_wait()
    element.rest(monkeypatch)
    assert element.end(DONE).folder == "trials/0"
    result = element.result(0)
    assert result is not None
    assert (result.status, result.attempt) == (COMPLETED, 1)


def test_a_trial_that_can_never_be_launched_fails_with_that_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    element = Element(tmp_path / "run", retire=0)
    for attempt in range(candidates.MOST_LOST):
        order = element.end(NO_STEP)
        assert (order.folder, order.variables["SLURMTF_ATTEMPT"]) == ("trials/0", str(attempt + 1))
        element.rest(monkeypatch)
    assert element.end(DONE).folder == "trials/1"
    result = element.result(0)
    assert result is not None
    assert (result.status, result.why, result.error) == (FAILED, "lost", "srun: error: Unable to confirm allocation")


def test_an_element_that_can_not_launch_anything_retires(element: Element, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        element.end(NO_STEP)
        element.rest(monkeypatch)
    assert element.next() is None
    assert not element.trials.should_wait()
    assert [event.text for event in _last(element)] == ["retired"]


@pytest.mark.parametrize(
    ("settings", "ends", "text"),
    [
        ({"deadline": 1.0}, [], "max_duration_minutes"),
        ({"same_error": 2, "retire": 0}, [FAILURE, FAILURE], "the sweep was stopped"),
        ({"retire": 2, "same_error": 0}, [FAILURE, FAILURE], "retired"),
        ({}, [DONE, DONE, DONE], "nothing left to do"),
    ],
)
def test_an_element_records_why_it_leaves(tmp_path: Path, settings: dict[str, Any], ends: list[Outcome], text: str) -> None:
    element = Element(tmp_path / "run", **settings)
    for outcome in ends:
        element.end(outcome)
    assert (element.next(), element.trials.should_wait()) == (None, False)
    assert [event.text for event in _last(element)] == [text]


@pytest.mark.parametrize(("silent_s", "stays"), [(1, False), (30, True), (200, False)])
def test_an_idle_element_leaves_unless_an_owner_may_be_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent_s: float, stays: bool
) -> None:
    files, element = SweepLayout(str(tmp_path / "run")), Element(tmp_path / "run")
    other = Ledger(files)
    other.join(Owner("b", "b", "elsewhere"), time.time())
    other.leases.claim(0, 0)
    for _ in range(2):
        element.end(DONE)
    assert element.trials.should_wait()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + LINGER_S + 1)
    os.utime(Path(files.leases, "0.0"), times=(time.time() - silent_s,) * 2)
    assert element.trials.should_wait() is stays


def _last(element: Element) -> list[Any]:
    ledger = Ledger(element.files)
    ledger.reports.refresh()
    return list(ledger.reports.last.values())


def test_a_trial_with_estimator_settings_has_its_own_launch(tmp_path: Path) -> None:
    files = SweepLayout(str(tmp_path / "run"))
    Path(files.folder).mkdir(parents=True)
    size = Size(tasks=2, tasks_per_node=2, cpus_per_task=4)
    order = LaunchOrder(("-v",), command=("python", "b.py"), distribution=Distribution((("worker", 2),)), size=size)
    Path(files.launches).write_text(json.dumps({'{"worker_count": 2}': order.to_dict()}))
    element = Element(tmp_path / "run", points=[Point({"x": 1, "estimator.worker_count": 2}), Point({"x": 2})])
    launched = element.end(DONE, 0.5, task="worker-0")
    assert launched == order._replace(arguments=("--x", "1"), variables=launched.variables, folder="trials/0", last=False)
    result = element.result(0)
    assert result is not None
    assert result.best == 0.5  # of the task whose metrics count
    assert element.end(DONE).distribution is None
