"""A suite that is started in the background, or with nohup, tests the same as in a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import HANG_S
from tests.signals import SIGNALS

ROOT = Path(__file__).parents[3]
TEST = """
import os, signal, subprocess

def test_it():
    status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
    ignored = int(next(line for line in status.splitlines() if line.startswith("SigIgn")).split()[1], 16)
    assert [number for number in (1, 2, 3) if ignored >> number - 1 & 1] == []
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGINT)
"""
IGNORING = "trap '' INT HUP QUIT; exec \"$@\""


@pytest.mark.parametrize(("plugin", "passes"), [((), False), (("-p", "tests.signals"), True)])
def test_children_ignore_no_signal_and_the_suite_continues(tmp_path: Path, plugin: tuple[str, ...], passes: bool) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        f"--rootdir={tmp_path}",
        *plugin,
    ]
    done = subprocess.run(
        ["sh", "-c", IGNORING, "sh", *command, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert (done.returncode == 0) is passes, done.stdout + done.stderr


def test_this_suite_ignores_no_signal() -> None:
    assert [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN] == []
