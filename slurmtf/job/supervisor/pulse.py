"""What a job does regularly, whatever it waits for."""

import select

from ..common.process import Signals
from ..common.rhythm import Rhythm
from .ending import Ending
from .job import Job
from .launch import TICK_S


class Pulse:
    """The job's sign of life, and its attention to what ends it from outside."""

    def __init__(self, job: Job, signals: Signals, ending: Ending) -> None:
        self._journal = job.journal
        self._signals = signals
        self._ending = ending
        self._heartbeat = Rhythm(job.plan.timings.heartbeat)

    def turn(self) -> None:
        """Do what is due. Call it about every second."""
        self._ending.turn()
        if self._heartbeat.is_due():
            self._journal.beat()

    def wait(self, seconds: float = TICK_S) -> None:
        """Wait a moment while no launch runs; a signal or the end of a child is noticed at once."""
        select.select([self._signals], [], [], min(seconds, TICK_S))
        self.turn()
