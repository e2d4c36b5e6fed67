"""What `slurmtf watch` in many terminals costs the controller."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from pathlib import Path

import pytest

from tests.terminals import Terminal

from .support import COMMAND, WAIT, Lab, prepend_to_path, wait_until_started, write_program

pytestmark = pytest.mark.slurm

COMMANDS = ("squeue", "sacct", "scontrol", "sinfo")


def counted(folder: Path) -> Path:
    """Wrap Slurm's query commands, so that each first writes its name to a file. Returns the file.

    (sdiag would also count the queries by supervisors of other tests' runs.)
    """
    asked = folder / "asked"
    asked.touch()
    for command in COMMANDS:
        real = shutil.which(command)
        assert real
        write_program(
            folder / "bin" / command, f'#!/bin/sh\necho {command} >> {shlex.quote(str(asked))}\nexec {shlex.quote(real)} "$@"\n'
        )
    return asked


def test_twenty_terminals_query_the_controller_once_a_minute(lab: Lab) -> None:
    run = lab.submit(WAIT)
    wait_until_started(run)
    asked = counted(lab.folder)
    path = prepend_to_path(lab.folder / "bin")
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(lab.workspace), "XDG_CACHE_HOME": str(lab.folder / "cache"), "PATH": path}
    began = time.monotonic()
    terminals = [Terminal(str(COMMAND), "watch", environ=environ) for _ in range(20)]
    try:
        for terminal in terminals:
            terminal.shows(run.id, "Running")
        for terminal in terminals:  # this redraws its table
            terminal.press("x")
            terminal.shows("Running")
        words = asked.read_text().split()
        assert set(words) == {"squeue"}
        assert len(words) <= 1 + (time.monotonic() - began) // 60
    finally:
        for terminal in terminals:
            terminal.kill()
        run.cancel()
