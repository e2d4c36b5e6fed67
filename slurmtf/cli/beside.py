"""Run work that may wait for Slurm or for a disk, while the terminal keeps taking keys."""

from __future__ import annotations

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
