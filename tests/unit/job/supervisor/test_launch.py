"""When a launcher is ended, depending on what its tasks report and on who ends them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.job.common import wire
from slurmtf.job.common.process import Signals
from slurmtf.job.contract.attempt.journal import Journal
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder, Run, Timings
from slurmtf.job.supervisor import launcher
from slurmtf.job.supervisor.job import Job
from slurmtf.job.supervisor.launch import Launch
from tests.unit.job.children import Clock, Hearing

TIMINGS = Timings(grace=20, late_reports=5, sign=100)
PLAN = JobPlan(Run("x-1", "x"), "local", Distribution((("main", 1),)), timings=TIMINGS)
LEAVING: wire.Message = {"event": "leaving"}


class Launching(Launch):
    """A launch whose launcher records its signals."""

    @property
    def launcher(self) -> Hearing:
        child = self._launcher._child
        assert isinstance(child, Hearing)
        return child

    def hear(self, message: wire.Message) -> None:
        self._reports.on_message(0, message)


@pytest.fixture
def launch(tmp_path: Path, no_orphans: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launching]:
    monkeypatch.setattr(launcher, "Child", Hearing)
    handler, descriptor = signal.getsignal(signal.SIGCHLD), signal.set_wakeup_fd(-1)
    job = Job(PLAN, RunLayout(str(tmp_path)), {}, Journal(str(tmp_path / "7.0.jsonl")))
    one = Launching(job, Signals(()), LaunchOrder())
    one.begin(["srun"], 0, 0)
    yield one
    one.launcher.end_truly()
    one.end()
    signal.signal(signal.SIGCHLD, handler)
    signal.set_wakeup_fd(descriptor)


def test_results_being_copied_back_are_waited_for(launch: Launching, clock: Clock) -> None:
    launch.stop(1.0)
    assert launch.launcher.kill_in == 1.0 + TIMINGS.late_reports
    launch.hear(LEAVING)
    assert launch.launcher.kill_in == TIMINGS.sign
    clock.go(50)
    launch.hear(LEAVING)
    assert launch.launcher.kill_in == TIMINGS.sign


def test_results_are_not_waited_for_if_the_job_is_killed(launch: Launching, clock: Clock) -> None:
    launch.stop_at_once()
    launch.hear(LEAVING)
    assert launch.launcher.kill_in == TIMINGS.grace + TIMINGS.late_reports


def test_results_are_waited_for_if_the_last_launch_ends_by_itself(launch: Launching, clock: Clock) -> None:
    launch.stop_for_good()
    launch.hear(LEAVING)
    assert launch.launcher.kill_in == TIMINGS.sign


def test_a_launcher_that_was_not_stopped_is_not_killed_because_of_results(launch: Launching) -> None:
    launch.hear(LEAVING)
    assert launch.launcher.kill_in is None


def test_a_launcher_without_connected_tasks_gets_sigterm(launch: Launching) -> None:
    """It may still be waiting for nodes. Once its tasks are connected, they get the order from the supervisor."""
    launch.stop(1.0)
    assert launch.launcher.heard == [signal.SIGTERM]


def test_a_launcher_with_connected_tasks_gets_no_signal(launch: Launching) -> None:
    launch.hear({"event": "hello", "rank": 0, "host": "n1"})
    launch.stop(1.0)
    assert launch.launcher.heard == []
