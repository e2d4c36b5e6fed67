"""A child process that records its signals, and a clock that the test advances."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.job.common import process

from .children import Clock, Hearing


@pytest.fixture
def no_orphans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test process from becoming the parent of orphans."""
    monkeypatch.setattr(process, "_call_prctl", lambda *_: None)


@pytest.fixture
def child(tmp_path: Path, no_orphans: None) -> Iterator[Hearing]:
    found = Hearing((), str(tmp_path), {})
    yield found
    found.end_truly()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock(time.monotonic())
    monkeypatch.setattr(time, "monotonic", lambda: found.now)
    return found
