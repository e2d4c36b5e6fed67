"""A program in a terminal, as its user sees it."""

from __future__ import annotations

import os
import pty
import select
import time
from collections.abc import Callable

from tests.patience import HANG_S


def read_terminal(words: list[str], on_text: Callable[[str], None] | None = None, **environ: str) -> str:
    """Return what a program writes to a terminal of 24 lines and 80 columns until it ends.

    ``on_text`` is told all of it so far, whenever more has come.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"COLUMNS": "80", "LINES": "24", "TERM": "xterm", **environ})
        os.execv(words[0], words)
    seen, give_up = b"", time.monotonic() + HANG_S
    while select.select([terminal], [], [], max(0.0, give_up - time.monotonic()))[0]:
        try:
            seen += os.read(terminal, 1 << 16)
        except OSError:  # Linux: the other end is closed
            break
        if on_text:
            on_text(seen.decode(errors="ignore"))
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, seen[-500:]
    return seen.decode()
