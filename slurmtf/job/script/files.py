"""Write lines and files of a script into the run folder. If the file system refuses, a message is printed and the script
continues."""

import contextlib
import errno
import os
import shutil
import sys
import time
from typing import IO, Any, Callable

from ..contract.system.private import make_private, open_private

RETRY_S = 10.0
"""Seconds after a failure until the file is tried again: each try costs training time."""


def tell(text: str) -> None:
    """Write a line to the script's errors, if that can be."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write("slurmtf: {}\n".format(text))
        sys.stderr.flush()


class Lines:
    """One file that grows by whole lines, each written at once.

    Append mode is what lets threads and forked processes share it: nobody's line is within another's (open(2), O_APPEND).
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = -1
        self._lost = 0
        self._retry_at = 0.0

    def write(self, line: bytes) -> None:
        """Append a line; it is lost if the file system refuses it."""
        if self._lost and time.monotonic() < self._retry_at:
            self._lost += 1
            return
        try:
            if self._descriptor < 0:
                self._descriptor = self._open()
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._lost:
                self._recover()
        except OSError as err:
            self._fail(err)

    def _open(self) -> int:
        make_private(os.path.dirname(self.path))
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _recover(self) -> None:
        tell("{} can be written again; {} values were lost".format(self.path, self._lost))
        self._lost = 0

    def _fail(self, err: OSError) -> None:
        if not self._lost:
            tell("can't write {}: {}. Values logged until then are lost.".format(self.path, err.strerror or err))
        self._lost += 1
        self._retry_at = time.monotonic() + RETRY_S
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = -1


def keep(path: str, write: Callable[[IO[bytes]], None]) -> bool:
    """Have a file written under a temporary name, then renamed to ``path``; False, and told, when that can't be."""
    try:
        make_private(os.path.dirname(path))
        with open_private(path) as file:
            write(file)
        return True
    except OSError as err:
        tell("can't write {}: {}".format(path, err))
        return False


def copy_into(source: Any) -> Callable[[IO[bytes]], None]:
    """Return a function that copies a file, by its path, or a stream into another."""

    def write(file: IO[bytes]) -> None:
        if hasattr(source, "read"):
            shutil.copyfileobj(source, file)
            return
        with open(source, "rb") as given:
            shutil.copyfileobj(given, file)

    return write
