"""Which trials an element takes over: by the age of the lease, the process that had it, and whether it was its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurmtf.job.common import identity
from slurmtf.job.contract.sweep.leases import STALE_S, Owner
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import Event, Point, Settings, SweepLayout
from slurmtf.job.sweep.taking import LINGER_S, SILENT_S, TakenTrial, Taker
from slurmtf.job.sweep.witness import LocalWitness

HOST = identity.get_host({})


class Sweep:
    """A sweep of two trials, the first of which was taken by another start of an element."""

    def __init__(self, folder: Path, other: Owner, age: float) -> None:
        files = SweepLayout(str(folder))
        Path(files.folder).mkdir(parents=True)
        settings = Settings(metric="acc", total=2, deadline=4e9)
        Path(files.settings).write_text(json.dumps(settings.to_dict()))
        Path(files.points).write_text("".join(json.dumps(Point({"x": x})._asdict()) + "\n" for x in range(2)))
        self.other = Ledger(files, curves=False)
        self.other.join(other, time.time())
        assert self.other.leases.claim(0, 0)
        for path in Path(files.leases).iterdir():
            os.utime(path, (time.time() - age,) * 2)
        ledger = Ledger(files, curves=False)
        me = Owner("me", "me", HOST, os.getpid(), str(identity.identify_process().started))
        ledger.join(me, time.time())
        ledger.reports.refresh()
        self.taker = Taker(ledger, me, LocalWitness(), number=0, concurrent=1)

    def take(self) -> list[TakenTrial]:
        return list(self.taker.take(looks=True))


def ended() -> Owner:
    """Return an owner whose process has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return Owner("other", "other", HOST, process.pid, "1")


def alive() -> Owner:
    return Owner("other", "other", HOST, os.getpid(), str(identity.identify_process().started))


FIRST, AGAIN = TakenTrial(1, 0), TakenTrial(0, 1)


@pytest.mark.parametrize(
    ("owner", "age", "taken"),
    [
        (ended, STALE_S + 10, [AGAIN, FIRST]),
        (ended, 0, [FIRST]),
        (alive, STALE_S + 10, [FIRST]),
        (lambda: ended()._replace(element="me"), 0, [AGAIN, FIRST]),
    ],
    ids=["dead and silent", "dead, but not yet silent", "silent, but alive", "an earlier start of this element"],
)
def test_trials_of_dead_or_silent_owners_are_taken_over(
    tmp_path: Path, owner: object, age: float, taken: list[TakenTrial]
) -> None:
    assert callable(owner)
    assert Sweep(tmp_path / "sweep", owner(), age).take() == taken


@pytest.mark.parametrize("cause, taken", [("preempted", [FIRST, AGAIN]), ("canceled", [AGAIN, FIRST])])
def test_a_trial_that_waits_for_its_owner_comes_last(tmp_path: Path, cause: str, taken: list[TakenTrial]) -> None:
    sweep = Sweep(tmp_path / "sweep", ended(), 0)
    sweep.other.write(Event("released", time.time(), 0, 0, status=cause))
    sweep.taker._ledger.reports.refresh()
    assert sweep.take() == taken


@pytest.mark.parametrize(("age", "waits"), [(0, False), (SILENT_S + 1, True), (SILENT_S + LINGER_S + 1, False)])
def test_time_that_an_element_waits_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float, waits: bool
) -> None:
    sweep = Sweep(tmp_path / "sweep", alive(), age)
    assert sweep.taker.should_wait()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + LINGER_S + 1)
    assert sweep.taker.should_wait() is waits
