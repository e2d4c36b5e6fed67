"""Reading a process's stat: fields of proc(5), after a name that may contain anything."""

from __future__ import annotations

import os

import pytest

from slurmtf.job.contract.system.proc import TICKS, Stat, iterate_processes, parse_stat, read_start, read_stat

REST = "7 40 30 0 -1 4194560 0 0 0 0 100 20 3 4 20 0 1 0 987654 0 0"


@pytest.mark.parametrize("name", ["python", "a) S 1 (b", "tf worker", ""])
def test_the_fields_follow_the_last_bracket(name: str) -> None:
    assert parse_stat(f"12 ({name}) S {REST}\n") == Stat("S", 7, 30, 127 / TICKS, 987654)


@pytest.mark.parametrize("text", ["", "12 (a) S 7 40", "12 (a"])
def test_an_incomplete_stat_is_no_process(text: str) -> None:
    assert parse_stat(text) is None


def test_a_running_and_an_ended_process_are_distinguished() -> None:
    own = dict(iterate_processes())[os.getpid()]
    assert (own.parent, own.session, read_start(os.getpid())) == (os.getppid(), os.getsid(0), own.started)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    zombie = read_stat(child)
    assert zombie is not None and zombie.state == "Z" and read_start(child) is None
    os.waitpid(child, 0)
    assert read_stat(child) is None
