"""One answer of Slurm shared by all processes of a user."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slurmtf.errors import SlurmError, UnreachableError
from slurmtf.findings import Finding
from slurmtf.scheduler.slurm import sharing
from slurmtf.scheduler.slurm.sharing import share

ARGV = ["squeue", "--me"]


class Slurm:
    """Counts its queries."""

    def __init__(self, *answers: str | SlurmError) -> None:
        self._answers = list(answers)
        self.calls = 0

    def __call__(self, argv: list[str]) -> str:
        self.calls += 1
        time.sleep(0.05)
        answer = self._answers[min(self.calls, len(self._answers)) - 1]
        if isinstance(answer, SlurmError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a squeue in PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "slurmtf" / "slurm"


def all_at_once(slurm: Callable[[list[str]], str], count: int, max_age_s: float) -> list[str]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: share(ARGV, slurm, max_age_s), range(count)))


def test_twenty_concurrent_queries_are_one_call() -> None:
    slurm = Slurm("1|RUNNING")
    assert all_at_once(slurm, 20, 60.0) == ["1|RUNNING"] * 20
    assert slurm.calls == 1


def test_an_answer_is_not_older_than_requested(cache: Path) -> None:
    slurm = Slurm("old", "new")
    assert [share(ARGV, slurm, 60.0), share(ARGV, slurm, 60.0), share(ARGV, slurm, 0.0)] == ["old", "old", "new"]
    assert share(ARGV, slurm, 60.0) == "new"
    assert slurm.calls == 2


def test_each_cluster_has_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = Slurm("here", "there", "elsewhere")
    assert share(ARGV, slurm, 60.0) == "here"
    assert share([*ARGV, "--clusters=lab"], slurm, 60.0) == "there"
    monkeypatch.setenv("SLURM_CONF", "/etc/other.conf")
    assert share(ARGV, slurm, 60.0) == "elsewhere"


@pytest.mark.parametrize("kind", [SlurmError, UnreachableError])
def test_an_error_reaches_all_that_wait(kind: type[SlurmError]) -> None:
    slurm = Slurm(kind(Finding("slurm-failed", "squeue", "timed out", "try again")), "fine")
    for _ in range(2):
        with pytest.raises(kind, match="timed out"):
            share(ARGV, slurm, 60.0)
    assert slurm.calls == 1
    assert share(ARGV, slurm, 0.0) == "fine"


@pytest.mark.parametrize("damage", [b"", b"{", b'{"time": "x"}\n1', b"\xff\xfe"])
def test_a_damaged_answer_is_ignored(damage: bytes, cache: Path) -> None:
    slurm = Slurm("one", "two")
    share(ARGV, slurm, 60.0)
    (path,) = (path for path in cache.iterdir() if path.suffix != ".lock")
    path.write_bytes(damage)
    assert share(ARGV, slurm, 60.0) == "two"


def test_an_answer_from_the_future_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    slurm, now = Slurm("one", "two"), time.time()
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: now + 3600)
        share(ARGV, slurm, 60.0)
    assert share(ARGV, slurm, 60.0) == "two"


def test_undecodable_bytes_are_restored() -> None:
    text = "1|RUNNING|/\udcff\n"
    slurm = Slurm(text)
    assert [share(ARGV, slurm, 60.0) for _ in range(2)] == [text, text]
    assert slurm.calls == 1


def test_without_a_cache_folder_each_process_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "find_local_cache", lambda: None)
    slurm = Slurm("1|RUNNING")
    all_at_once(slurm, 3, 60.0)
    assert slurm.calls == 3


def test_old_answers_are_removed(cache: Path) -> None:
    slurm = Slurm("x")
    share([*ARGV, "a"], slurm, 60.0)
    for path in cache.iterdir():
        os.utime(path, (1.0, 1.0))
    share(ARGV, slurm, 60.0)
    assert len(list(cache.iterdir())) == 2
