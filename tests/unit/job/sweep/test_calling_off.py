"""What stops a trial while it runs: the sweep's time, another element that took it over, and the end of the sweep."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slurmtf.job.contract.sweep.leases import Owner
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.sweep.running import TAKEN_OVER
from slurmtf.job.sweep.taking import BEAT_S
from slurmtf.job.sweep.watch import STOPPED
from tests.unit.job.sweep.test_trials import Element


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The steady clock, which the test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def other(element: Element) -> Ledger:
    ledger = Ledger(element.files)
    ledger.join(Owner("other", "8_0", "node2"), 5.0)
    return ledger


def test_a_trial_runs_on_without_a_reason_to_stop(tmp_path: Path, clock: list[float]) -> None:
    element = Element(tmp_path / "run")
    assert element.trials.decide_call_off() is None
    element.next()
    assert element.trials.decide_call_off() is None
    clock[0] += BEAT_S
    assert element.trials.decide_call_off() is None


def test_a_trial_stops_when_the_sweeps_time_is_over(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    element = Element(tmp_path / "run", deadline=time.time() + 3600)
    element.next()
    assert element.trials.decide_call_off() is None
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    clock[0] += BEAT_S
    assert element.trials.decide_call_off() == {"policy": "max_duration_minutes"}


def test_a_trial_stops_if_another_element_took_it_over(tmp_path: Path, clock: list[float]) -> None:
    """It was silent for too long: two elements must not do the same work."""
    element = Element(tmp_path / "run")
    element.next()
    assert element.trials.decide_call_off() is None
    assert other(element).leases.claim(0, 1)
    assert element.trials.decide_call_off() is None  # checked with each beat, not with each tick
    clock[0] += BEAT_S
    assert element.trials.decide_call_off() == {"policy": TAKEN_OVER}


def test_a_trial_stops_if_the_sweep_was_stopped(tmp_path: Path, clock: list[float]) -> None:
    element = Element(tmp_path / "run")
    element.next()
    assert element.trials.decide_call_off() is None
    other(element).stop({"why": "canceled", "time": 1.0})
    clock[0] += BEAT_S
    assert element.trials.decide_call_off() == {"policy": STOPPED}
