"""Processes under test start with the signals' default handling, however the suite itself was started.

A shell starts its background jobs with SIGINT and SIGQUIT ignored, nohup with SIGHUP (POSIX, Shell Command Language 2.11), and
what a process ignores its children ignore too, whatever they run (execve(2)). A handler is not passed on. So what was ignored
is handled here, by doing nothing.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def pytest_configure() -> None:
    for number in SIGNALS:
        of_worker = number == signal.SIGHUP and "PYTEST_XDIST_WORKER" in os.environ  # it ends with its controller
        if of_worker or signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _pass_over)


def _pass_over(number: int, frame: FrameType | None) -> None:
    """Go on as if the signal were ignored."""
