"""There is one builder at a time, and no process waits for a dead one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurmtf.job.contract.environments.claim import SILENT_S, Claim
from slurmtf.job.contract.system.proc import read_start

DEAD = {"host": socket.gethostname(), "pid": 2**22 - 1, "started": 1, "job": ""}
ELSEWHERE = {"host": "another-node", "pid": os.getpid(), "started": 1, "job": "7"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "claim"


def write_claim(path: Path, by: dict[str, object], silent_s: float = 0.0) -> Path:
    path.write_text(json.dumps(by))
    os.utime(path, (time.time() - silent_s,) * 2)
    return path


def test_only_one_builder_holds_a_claim(path: Path) -> None:
    first, second = Claim(str(path)), Claim(str(path))
    assert first.take()
    assert not second.take()
    assert (second.read_holder() or {})["pid"] == os.getpid()
    assert second.is_alive()
    first.release()
    assert second.take()
    second.release()
    assert list(path.parent.iterdir()) == []


def test_the_claim_of_an_ended_process_is_broken(path: Path) -> None:
    write_claim(path, DEAD)
    assert not Claim(str(path)).is_alive()
    assert Claim(str(path)).take()


def test_a_reused_pid_is_another_process(path: Path) -> None:
    write_claim(path, {**DEAD, "pid": os.getpid(), "started": (read_start(os.getpid()) or 0) - 1})
    assert Claim(str(path)).take()


def test_a_silent_builder_on_another_host_is_dead(path: Path) -> None:
    write_claim(path, ELSEWHERE, silent_s=SILENT_S / 2)
    assert not Claim(str(path)).take()
    write_claim(path, ELSEWHERE, silent_s=SILENT_S + 5)
    assert Claim(str(path)).take()


def test_a_heartbeat_keeps_the_claim_alive(path: Path) -> None:
    claim = Claim(str(path))
    assert claim.take()
    os.utime(path, (0, 0))
    claim.beat()
    assert time.time() - path.stat().st_mtime < 60


def test_a_claim_taken_over_by_another_is_not_released(path: Path) -> None:
    claim = Claim(str(path))
    assert claim.take()
    write_claim(path, ELSEWHERE)
    claim.release()
    assert path.exists()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_only_one_of_many_processes_gets_a_dead_claim(tmp_path: Path, path: Path) -> None:
    write_claim(path, DEAD)
    taker = (
        "import sys; from pathlib import Path; from slurmtf.job.contract.environments.claim import Claim\n"
        "print('here', flush=True)\n"
        "while not Path(sys.argv[2]).exists(): pass\n"
        "print(Claim(sys.argv[1]).take(), flush=True); sys.stdin.read()"
    )
    gate = tmp_path / "gate"
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", taker, str(path), str(gate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    assert [read_line(process) for process in takers] == ["here"] * 8
    gate.touch()
    answers = [read_line(process) for process in takers]  # all of them are still alive
    for process in takers:
        process.communicate()
    assert answers.count("True") == 1, answers
