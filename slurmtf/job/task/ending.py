"""End what a task has started when the task is signaled or its supervisor orders it."""

import signal
import time
from typing import Optional

from ..common.process import Child

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
OWN_TERM_S = 5.0
"""Seconds by which Slurm's own TERM to every process of a step may follow the supervisor's message."""


class Ending:
    """Ends the current child of a task. ``in_step``: slurmstepd sends each signal to every process of the step; ``grace_s``:
    seconds between TERM and KILL, unless the supervisor gives another number."""

    def __init__(self, in_step: bool, grace_s: float) -> None:
        self._in_step = in_step
        self._grace_s = grace_s
        self._told_grace_s = grace_s
        self._child: Optional[Child] = None
        self._term_at: Optional[float] = None
        self.has_begun = False
        """Once set, nothing more is started."""

    def hold(self, child: Optional[Child]) -> None:
        """Set the child to end with the task; None: the last one has ended."""
        self._child = child

    def on_signal(self) -> None:
        """Act on a signal that ends the task. No TERM of ours follows it: see :meth:`.Child.end`."""
        self.has_begun = True
        if self._child and self._in_step:  # which has received it itself
            self._child.kill_after(self._grace_s)
        elif self._child:
            self._child.end(self._grace_s)

    def stop(self, killed: bool = False, grace_s: Optional[float] = None) -> None:
        """Act on the supervisor's order. ``killed``: somebody is killing the job or its step."""
        self.has_begun = True
        self._told_grace_s = self._told_grace_s if grace_s is None else grace_s
        if self._child and self._term_at is None:
            self._term_at = time.monotonic() + choose_term_delay(killed, self._in_step)

    def tick(self) -> None:
        """Send the TERM that is due."""
        if self._child and self._term_at is not None and time.monotonic() >= self._term_at:
            self._term_at = None
            self._child.end(self._told_grace_s)


def choose_term_delay(killed: bool, in_step: bool) -> float:
    """Return the seconds after which to send TERM to a child. If Slurm kills a step, its own TERM comes first, and the child
    gets no second one."""
    return OWN_TERM_S if killed and in_step else 0.0
