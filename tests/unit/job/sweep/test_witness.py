"""What an element of a sweep knows about jobs that show no sign of life: from Slurm's list, or by their processes."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from slurmtf.job.contract.sweep.leases import Owner
from slurmtf.job.contract.system import proc
from slurmtf.job.sweep.candidates import GONE, RUNS, UNKNOWN, WAITS
from slurmtf.job.sweep.witness import PAUSE_S, LocalWitness, SlurmWitness, parse

OWNERS = (Owner("a", "33_1"), Owner("b", "33_2"), Owner("c", "34"))


@pytest.mark.parametrize(
    ("state", "known"),
    [
        ("RUNNING", RUNS),
        ("COMPLETING", RUNS),
        ("SUSPENDED", RUNS),
        ("CONFIGURING", RUNS),
        ("PENDING", WAITS),
        ("REQUEUED", WAITS),
        ("REQUEUE_HOLD", WAITS),
        ("SPECIAL_EXIT", WAITS),
        ("COMPLETED", None),
        ("CANCELLED", None),
        ("NODE_FAIL", None),
        ("OUT_OF_MEMORY", None),
        ("", None),
    ],
)
def test_state_of_a_job_shows_whether_it_lives(state: str, known: str | None) -> None:
    assert parse(f"33_4 {state}\n").get("33_4") == known


class Squeue:
    """A squeue that counts its calls."""

    def __init__(self, folder: Path) -> None:
        self.answer = folder / "sweep-jobs.json"
        self._program, self._calls = folder / "bin/squeue", folder / "calls"
        self._program.parent.mkdir()

    def says(self, text: str, status: int = 0) -> None:
        self._program.write_text(f"#!/bin/sh\necho >>{self._calls}\nprintf '{text}'\nexit {status}\n")
        self._program.chmod(0o755)

    @property
    def calls(self) -> int:
        return len(self._calls.read_text().splitlines()) if self._calls.exists() else 0

    def witness(self) -> SlurmWitness:
        return SlurmWitness(str(self.answer), {"PATH": f"{self._program.parent}:/usr/bin:/bin"})


@pytest.fixture
def squeue(tmp_path: Path) -> Squeue:
    return Squeue(tmp_path)


def test_a_job_not_listed_by_slurm_is_gone(squeue: Squeue) -> None:
    squeue.says("33_1 RUNNING\\n34 PENDING\\n")
    assert squeue.witness().find_states(OWNERS) == {"33_1": RUNS, "33_2": GONE, "34": WAITS}


def test_no_job_is_gone_while_slurm_does_not_answer(squeue: Squeue) -> None:
    squeue.says("33_1 RUNNING\\n", status=1)
    witness = squeue.witness()
    for _ in range(2):
        assert witness.find_states(OWNERS) == dict.fromkeys(("33_1", "33_2", "34"), UNKNOWN)
    assert squeue.calls == 1


def test_one_element_asks_slurm_for_all(squeue: Squeue) -> None:
    squeue.says("33_1 RUNNING\\n")
    assert squeue.witness().find_states(()) == {}
    assert [squeue.witness().find_states(OWNERS[:2]) for _ in range(3)] == [{"33_1": RUNS, "33_2": GONE}] * 3
    assert squeue.calls == 1
    squeue.says("33_2 RUNNING\\n")
    old = time.time() - PAUSE_S - 1
    os.utime(squeue.answer, (old, old))
    assert squeue.witness().find_states(OWNERS[:2]) == {"33_1": GONE, "33_2": RUNS}


def test_an_answer_that_can_not_be_stored_is_used(squeue: Squeue, tmp_path: Path) -> None:
    squeue.says("33_1 RUNNING\\n")
    squeue.answer = tmp_path / "no-such-folder" / "jobs.json"
    assert squeue.witness().find_states(OWNERS[:2]) == {"33_1": RUNS, "33_2": GONE}


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_an_unreadable_stored_answer_is_ignored(squeue: Squeue, text: str) -> None:
    squeue.answer.write_text(text)
    squeue.says("33_1 RUNNING\\n")
    assert squeue.witness().find_states(OWNERS[:1]) == {"33_1": RUNS}
    assert json.loads(squeue.answer.read_text()) == {"33_1": RUNS}


@pytest.mark.parametrize(
    ("host", "is_us", "known"),
    [
        (socket.gethostname(), True, RUNS),
        (socket.gethostname(), False, GONE),  # another process with the same pid
        ("another-node", False, UNKNOWN),
    ],
    ids=["here", "another-process", "another-host"],
)
def test_without_slurm_a_job_is_its_process(host: str, is_us: bool, known: str) -> None:
    started = str(proc.read_start(os.getpid())) if is_us else "1"
    assert LocalWitness().find_states([Owner("a", "7", host, os.getpid(), started)]) == {"7": known}


@pytest.mark.parametrize(("array", "called"), [("33", ["--state=PENDING 33"]), (None, [])])
def test_only_waiting_elements_of_its_own_array_are_canceled(tmp_path: Path, array: str | None, called: list[str]) -> None:
    """A running element has a trial, and without an array the job id would be another job's."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/scancel"
    program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n')
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}:/usr/bin:/bin", "SLURM_JOB_ID": "35"}
    SlurmWitness(str(tmp_path / "x"), {**environ, **({"SLURM_ARRAY_JOB_ID": array} if array else {})}).cancel_waiting()
    log = tmp_path / "calls"
    assert (log.read_text().splitlines() if log.exists() else []) == called
