"""How a task ends the processes it started: by order of the supervisor, on a signal, and if Slurm also sent that signal."""

from __future__ import annotations

import signal

import pytest

from slurmtf.job.task.ending import OWN_TERM_S, Ending
from tests.unit.job.children import Clock, Hearing

GRACE_S = 20.0


def ending(in_step: bool, child: Hearing | None) -> Ending:
    found = Ending(in_step, GRACE_S)
    found.hold(child)
    return found


@pytest.mark.parametrize(("in_step", "heard"), [(True, []), (False, [signal.SIGTERM])])
def test_a_signal_that_slurm_sent_to_the_whole_step_is_not_repeated(
    child: Hearing, clock: Clock, in_step: bool, heard: list[int]
) -> None:
    one = ending(in_step, child)
    one.on_signal()
    one.tick()
    assert (one.has_begun, child.heard, child.kill_in) == (True, heard, GRACE_S)


@pytest.mark.parametrize(
    ("killed", "in_step", "delay"), [(False, False, 0), (False, True, 0), (True, False, 0), (True, True, OWN_TERM_S)]
)
def test_slurms_own_sigterm_comes_first_if_it_kills_the_step(
    child: Hearing, clock: Clock, killed: bool, in_step: bool, delay: float
) -> None:
    one = ending(in_step, child)
    one.stop(killed, 7.0)
    if delay:
        clock.go(delay - 0.5)
        one.tick()
        assert (one.has_begun, child.heard, child.kill_in) == (True, [], None)
        clock.go(0.5)
    one.tick()
    assert (child.heard, child.kill_in) == ([signal.SIGTERM], 7.0)


def test_slurms_own_sigterm_makes_ours_unnecessary(child: Hearing, clock: Clock) -> None:
    one = ending(True, child)
    one.stop(killed=True, grace_s=7.0)
    one.on_signal()
    clock.go(OWN_TERM_S)
    one.tick()
    assert (child.heard, child.kill_in) == ([], GRACE_S - OWN_TERM_S)


def test_a_second_order_does_not_delay_the_first(child: Hearing, clock: Clock) -> None:
    one = ending(True, child)
    one.stop(killed=True, grace_s=7.0)
    clock.go(OWN_TERM_S)
    one.stop(killed=True, grace_s=9.0)
    one.tick()
    assert (child.heard, child.kill_in) == ([signal.SIGTERM], 9.0)


def test_a_lost_supervisor_leaves_the_default_grace_time(child: Hearing, clock: Clock) -> None:
    one = ending(False, child)
    one.stop()
    one.tick()
    assert (child.heard, child.kill_in) == ([signal.SIGTERM], GRACE_S)


def test_nothing_is_signaled_if_nothing_runs(child: Hearing) -> None:
    one = ending(False, child)
    one.hold(None)
    one.on_signal()
    one.stop(grace_s=7.0)
    one.tick()
    assert (one.has_begun, child.heard, child.kill_in) == (True, [], None)
