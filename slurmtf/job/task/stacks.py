"""Write the stacks of all threads of a script: with Python's faulthandler if the script's hook has registered it, else with
py-spy."""

import contextlib
import os
import shutil
import signal
import subprocess
from typing import Mapping

from ..contract import variables as var

SIGNAL = signal.SIGRTMIN + 7
"""A signal that nothing else uses (job/script/sitecustomize.py has the same)."""
TIMEOUT_S = 20.0


def ask(pid: int, path: str, environ: Mapping[str, str]) -> None:
    """Have a script's stacks written to a file. A process that does not handle the signal would die of it, so it is not
    signaled."""
    with contextlib.suppress(OSError, ValueError):
        if has_handler(pid, int(SIGNAL)):
            os.kill(pid, SIGNAL)
            return
    spy = shutil.which("py-spy", path=environ.get(var.PATH))
    if spy:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                subprocess.run(  # noqa: PLW1510
                    [spy, "dump", "--pid", str(pid)], stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=TIMEOUT_S
                )


def has_handler(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal (proc(5), SigCgt). Raises OSError or ValueError."""
    with open("/proc/{}/status".format(pid), encoding="ascii", errors="replace") as file:
        caught = next((line.split()[1] for line in file if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)
