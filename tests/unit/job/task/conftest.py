"""A child of a task that hears signals, and a clock that goes on when it is told."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.job.common import process
from slurmtf.job.common.process import Child


class Hearing(Child):
    """A child whose signals are noted and not sent."""

    def __init__(self, folder: Path) -> None:
        super().__init__([sys.executable, "-c", "input()"], str(folder), dict(os.environ))
        self.heard: list[int] = []

    def send(self, number: int) -> None:
        self.heard.append(number)

    def tell(self, number: int) -> None:
        self.heard.append(-number)

    @property
    def kill_in(self) -> float | None:
        """The seconds until it is killed; None: it is not."""
        return None if self._kill_at is None else self._kill_at - time.monotonic()

    def end_truly(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hearing]:
    monkeypatch.setattr(process, "_prctl", lambda *_: None)  # these tests do not become the parent of orphans
    found = Hearing(tmp_path)
    yield found
    found.end_truly()


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def go(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock(time.monotonic())
    monkeypatch.setattr(time, "monotonic", lambda: found.now)
    return found
