"""When a claim is broken: its process has ended, or its owner on another host has not renewed it for too long."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from slurmtf.job.contract.environments.claim import Claim
from slurmtf.job.contract.system import proc

HERE, ELSEWHERE = socket.gethostname(), "another-node"


@pytest.mark.parametrize(
    ("host", "is_us", "age_s", "broken"),
    [
        (HERE, True, 0, False),
        (HERE, True, 1200, False),  # a live but busy process
        (HERE, False, 0, True),  # another process with the same pid: no need to wait
        (ELSEWHERE, True, 0, False),
        (ELSEWHERE, True, 90, False),  # nine heartbeats: a slow file system, a busy node
        (ELSEWHERE, True, 150, True),
    ],
)
def test_a_claim_of_a_dead_owner_is_broken(tmp_path: Path, host: str, is_us: bool, age_s: float, broken: bool) -> None:
    path, started = tmp_path / "claim", proc.read_start(os.getpid()) if is_us else -1
    path.write_text(json.dumps({"host": host, "pid": os.getpid(), "started": started, "job": ""}))
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    claim = Claim(str(path))
    assert claim.is_alive() is not broken
    assert claim.take() is broken
    assert [one.name for one in tmp_path.iterdir() if one != path] == []


def test_a_claim_has_one_holder_until_it_is_released(tmp_path: Path) -> None:
    first, second = Claim(str(tmp_path / "claim")), Claim(str(tmp_path / "claim"))
    assert (first.is_alive(), first.take(), second.take()) == (False, True, False)
    first.release()
    assert (first.read_holder(), second.take()) == (None, True)


def test_a_holder_that_lost_its_claim_releases_nothing(tmp_path: Path) -> None:
    path = tmp_path / "claim"
    claim = Claim(str(path))
    assert claim.take()
    taken_over = json.dumps({"host": ELSEWHERE, "pid": 1, "started": 1, "job": ""})
    path.write_text(taken_over)
    claim.release()
    assert path.read_text() == taken_over
