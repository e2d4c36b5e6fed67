"""Notify the script that it will be ended: once by a signal of the user's choice, and by a file."""

import contextlib
import json
import os
import signal
from typing import Mapping, Optional

from ..common.process import Child
from ..contract.life import Notice
from ..contract.system.private import add_private, write_private

ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that must end a script which does not handle them."""


class NoticeGiver:
    """Gives notice to one task's script. Before the script starts, only the file is written, because nothing could receive a
    signal. ``path`` is the file that the script looks for, unless :meth:`prepare` sets another."""

    def __init__(self, notice: Notice, path: str) -> None:
        self._path = path
        self._signal = int(signal.Signals[notice.signal]) if notice.signal else 0
        self._told: Optional[Mapping[str, object]] = None

    @property
    def ignored(self) -> int:
        """The signal that must do nothing to a script which does not handle it; 0 if there is none."""
        return 0 if self._signal in ENDS else self._signal

    def give(self, facts: Mapping[str, object], child: Optional[Child]) -> None:
        """Notify the script. ``child`` is its process; None: it does not run."""
        if self._told is not None:
            return
        self._told = facts
        self._write()
        if child and self._signal:
            child.tell(self._signal)

    def prepare(self, path: str) -> None:
        """Write the file if the script starts after the notice; else remove what an earlier attempt has left there."""
        self._path = path
        if self._told is not None:
            self._write()
        else:
            with contextlib.suppress(OSError):
                os.remove(path)

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # a full disk: the signal tells
            add_private(os.path.dirname(self._path))
            write_private(self._path, json.dumps(self._told).encode("ascii"))
