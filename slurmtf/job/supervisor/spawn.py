"""Several tasks on one machine, without a launcher: what srun is for a step, for the local target."""

import os
import signal
import subprocess
import time
from typing import List

from ..common.identity import OWN_RANK

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HEARD_S = 1.0
"""Seconds in which the supervisor hears of an agent's end by itself, and names it, before the others are ended for it."""


def spawn(count: int, command: List[str]) -> int:
    """Start the command ``count`` times, each knowing its rank; return 0, or the exit status of the first that failed.

    Upon that the others are ended, as ``srun --kill-on-bad-exit`` does. The tasks stay in this process group, so that they
    end with it. Signals are for the tasks: the supervisor tells them.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    tasks = [_start(command, rank) for rank in range(count)]
    running = {task.pid: task for task in tasks}
    failed = 0
    while running:
        pid, status = os.wait()
        running.pop(pid).returncode = code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if code and not failed:
            failed = code if code >= 0 else 128 - code
            time.sleep(HEARD_S)
            for task in running.values():
                task.terminate()
    return failed


def _start(command: List[str], rank: int) -> "subprocess.Popen[bytes]":
    environ = dict(os.environ, **{OWN_RANK: str(rank)})
    return subprocess.Popen(command, env=environ, preexec_fn=_heed)  # noqa: PLW1509 - no threads here


def _heed() -> None:
    """Undo our own deafness: a task that is told to end before it has come to listen must end too."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
