"""Run work beside the process that owns the terminal: in a thread, while keys are taken, or in a process that gets the keys."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def run_in_background(work: Callable[[], T]) -> Future[T]:
    """Start work, and return its future. It ends with this process, which does not wait for it as it would for an executor's
    threads (concurrent.futures)."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as err:  # raised when the result is requested
            future.set_exception(err)

    threading.Thread(target=run, daemon=True).start()
    return future


def run_in_foreground(*words: str) -> None:
    """Run a Python program in the terminal until it ends; Ctrl-C reaches it alone.

    Here, a KeyboardInterrupt in an import could leave Python's import lock held (importlib._bootstrap), and a thread that
    imports afterwards would wait forever.
    """
    before = signal.signal(signal.SIGINT, _ignore)  # not SIG_IGN, which the program would inherit
    try:
        subprocess.run([sys.executable, *words], check=False)
    finally:
        signal.signal(signal.SIGINT, before)


def _ignore(*_: object) -> None:
    """Do nothing about a signal."""
