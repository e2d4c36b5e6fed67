"""What terminals that watch cost the controller, by its own count."""

from __future__ import annotations

import os
import re
import time

import pytest

from tests.terminals import Terminal

from .support import COMMAND, WAIT, Lab, call, here

pytestmark = pytest.mark.slurm

QUESTION = re.compile(r"REQUEST_JOB\w*INFO\w*\s+\(\s*\d+\)\s+count:(\d+)")
"""What squeue and scontrol ask for, as sdiag(1) counts it."""


def questions() -> int:
    return sum(map(int, QUESTION.findall(call("sdiag").split("statistics by user")[0])))


def test_twenty_terminals_ask_the_controller_once_a_minute(lab: Lab) -> None:
    run = lab.submit(WAIT)
    here(run)
    call("squeue")
    assert questions() > 0
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(lab.workspace), "XDG_CACHE_HOME": str(lab.folder / "cache")}
    before, began = questions(), time.monotonic()
    terminals = [Terminal(str(COMMAND), "watch", environ=environ) for _ in range(20)]
    try:
        for terminal in terminals:
            terminal.shows(run.id, "Running", seconds=120)
        for terminal in terminals:  # its table is drawn anew
            terminal.press("x")
            terminal.shows("Running")
        assert 1 <= questions() - before <= 1 + (time.monotonic() - began) // 60
    finally:
        for terminal in terminals:
            terminal.kill()
        run.cancel()
