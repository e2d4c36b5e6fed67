"""Start several tasks on one machine without a launcher: what srun does for a step, for the local target."""

import os
import signal
import subprocess
import time
from typing import List

from ..common.identity import OWN_RANK

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HEARD_S = 1.0
"""Seconds for the supervisor to notice an agent's end by itself, and name it, before the others are ended because of it."""


def spawn(count: int, command: List[str]) -> int:
    """Start the command ``count`` times, each with its rank; return 0, or the exit status of the first that failed.

    A failure ends the others, as with ``srun --kill-on-bad-exit``. The tasks stay in this process group, so that they end with
    it. Signals are ignored here: the supervisor passes them on to the tasks.
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
    return subprocess.Popen(command, env=environ, preexec_fn=_restore_signals)  # noqa: PLW1509 - no threads here


def _restore_signals() -> None:
    """Stop ignoring signals: a task that is signaled before it has installed its handlers must end too."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
