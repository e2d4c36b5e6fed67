"""A program in a terminal: what it shows, and which keys it gets."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping
from fcntl import ioctl

from tests.patience import HANG_S

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][AB0]")


class Terminal:
    """A program in a terminal."""

    def __init__(
        self,
        *words: str,
        environ: Mapping[str, str] = os.environ,
        lines: int = 30,
        columns: int = 120,
        term: str = "xterm",
    ) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execve(words[0], words, {**environ, "TERM": term, "COLUMNS": str(columns), "LINES": str(lines)})
        ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.seen = ""

    def read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        try:
            self.seen += os.read(self._terminal, 1 << 16).decode("utf-8", "replace") if ready else ""
        except OSError:  # Linux: the other end is closed
            time.sleep(seconds)

    def shows(self, *texts: str) -> None:
        """Wait until these texts are among what was written since the last key."""
        self._wait(lambda: all(text in CODES.sub("", self.seen) for text in texts), texts)

    def shows_raw(self, code: str) -> None:
        """Wait until what was written since the last key has a code for the terminal."""
        self._wait(lambda: code in self.seen, code)

    def _wait(self, shown: Callable[[], bool], what: object) -> None:
        give_up = time.monotonic() + HANG_S
        while not shown():
            assert time.monotonic() < give_up, f"{what} not shown, but:\n{self._list_lines()}"
            self.read(0.2)

    def _list_lines(self, number: int = 60) -> str:
        """Return the last lines that are not empty, of what was written since the last key."""
        lines = [line.rstrip() for line in CODES.sub("", self.seen).splitlines()]
        return "\n".join([line for line in lines if line][-number:])

    def press(self, keys: str) -> None:
        self.seen = ""
        os.write(self._terminal, keys.encode())

    def end(self) -> int:
        """Return its exit code."""
        give_up = time.monotonic() + HANG_S
        while time.monotonic() < give_up:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._terminal)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it has not ended:\n{self._list_lines()}")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)
