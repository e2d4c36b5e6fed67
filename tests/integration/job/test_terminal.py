"""The unfiltered output of a script reaches the terminal only through 'logs'."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import HANG_S

from .jobs import NewJob

TITLE = "\x1b]0;owned\x07"
COMMAND = Path(sys.executable).parent / "slurmtf"


def call(*argv: str | Path) -> bytes:
    done = subprocess.run([COMMAND, *argv], capture_output=True, timeout=HANG_S, check=False)
    return done.stdout + done.stderr


def test_only_logs_prints_control_characters_as_they_are(job: NewJob) -> None:
    one = job(f"import sys; sys.exit({TITLE!r})")
    assert one.run() == 1
    shown = call("status", one.folder)
    assert rb"\x1b]0;owned\x07" in shown
    assert TITLE.encode() not in shown
    assert TITLE.encode() not in call("ls", "-w", one.folder.parents[1])
    assert TITLE.encode() in call("logs", one.folder)


@pytest.mark.parametrize(("argv", "status"), [(["logs", "--rank", "99"], 2), (["logs", "--rank", "-1"], 2), (["status"], 0)])
def test_a_missing_rank_is_a_usage_error(job: NewJob, argv: list[str], status: int) -> None:
    one = job("")
    assert one.run() == 0
    done = subprocess.run([COMMAND, *argv, one.folder], capture_output=True, timeout=HANG_S, check=False)
    assert done.returncode == status, done.stderr
