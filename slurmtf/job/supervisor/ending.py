"""Handle what ends a job from outside: signals, its time limit, and the job's next attempt."""

import os
import signal
import time
from typing import Optional, Tuple

from ..common import identity
from ..common.process import Signals
from ..common.rhythm import Rhythm
from ..contract.attempt import events, job_log
from ..contract.attempt.outcome import Cause, format_signal
from .conclusion import STOP_SIGNALS, Facts, Killing, infer_killing
from .continuation import Continuation
from .job import Job
from .launch import Launch
from .notices import Notices


class Ending:
    """The end of one attempt. It ends the current launch, and notifies it of a coming end."""

    def __init__(self, job: Job, signals: Signals, continuation: Continuation) -> None:
        self._job_log = job.layout.job_log
        self._log_begin = job_log.get_size(self._job_log)
        self._job_id = identity.get_job_id(job.environ) or str(os.getpid())
        self._journal = job.journal
        self._signals = signals
        self._continuation = continuation
        goes_on = continuation.restarts.may_follow(Cause.TIME_LIMIT)
        self._notices = Notices(job, goes_on, continuation.is_preempted)
        self._look = Rhythm(job.plan.timings.look)
        self._launch: Optional[Launch] = None
        self._first: Optional[Tuple[int, float]] = None
        self._gives_way = False
        self._overtime = False

    @property
    def has_come(self) -> bool:
        """Whether the job is being ended: nothing more is launched."""
        return self._first is not None

    @property
    def killing(self) -> Optional[Killing]:
        """What ends the job, and why; None if nothing does."""
        if self._first is None:
            return None
        return infer_killing(self._first, job_log.read_since(self._job_log, self._log_begin), self._job_id, self._gives_way)

    @property
    def left(self) -> Optional[float]:
        """Seconds until the time limit; None if none is known."""
        return self._notices.left

    def complete_facts(self, facts: Facts) -> Facts:
        """Return the facts of a launch with what ends it from outside."""
        return facts._replace(killing=self.killing, overtime=self._overtime, noticed=self._notices.given)

    def on_launch_started(self, launch: Launch) -> None:
        """Take over a launch, and notify it as earlier launches were."""
        self._launch = launch
        self._tell_script()

    def on_launch_ended(self) -> None:
        """Record that the launch is over: whatever comes now does not concern it."""
        self._launch = None

    def begin_anew(self, after: Cause) -> None:
        """Forget what ended only one attempt: another one begins in this allocation."""
        self._overtime = False
        self._notices.begin_anew(with_limit=after is Cause.TIME_LIMIT)

    def turn(self) -> None:
        """Do what is due. Call it about every second, whatever the job waits for."""
        self.act_on_signals()
        self._watch_time()
        self._give_way()

    def act_on_signals(self) -> None:
        """Act on the signals that have arrived."""
        for number in self._signals.take():
            self._journal.write(events.Signaled(format_signal(number)))
            if number == signal.SIGUSR2 and self._notices.on_signal():
                self._tell_script()
            elif number in STOP_SIGNALS:
                self._stop(number)

    def listen(self, seconds: float) -> None:
        """Wait for a signal that ends us: the report of a task ended by the same signal may arrive before our own signal."""
        deadline = time.monotonic() + seconds
        while not self.has_come and time.monotonic() < deadline:
            self.act_on_signals()
            time.sleep(0.02)

    def _stop(self, number: int) -> None:
        self._first = self._first or (number, time.monotonic())
        if self._launch:
            self._launch.stop_at_once()
        killing = self.killing
        if killing:
            self._continuation.hand_over(killing.cause, killing.node)

    def _watch_time(self) -> None:
        """Warn before the time limit, and enforce it if no scheduler does or the run continues after it."""
        if self._launch is None:
            return
        if self._notices.tick():
            self._tell_script()
        if self._notices.is_over and not self._launch.stopping:
            self._overtime = True
            self._journal.write(events.TimeLimit())
            self._launch.stop_for_good()

    def _give_way(self) -> None:
        """End the tasks once the next attempt of this job has begun: two attempts would write the same outputs.

        Slurm restarts a job after losing one of its nodes; that node may live on, cut off only from Slurm.
        """
        if not self.has_come and self._look.is_due() and self._journal.is_followed:
            self._first, self._gives_way = (signal.SIGTERM, time.monotonic()), True
            if self._launch:
                self._launch.stop_for_good()

    def _tell_script(self) -> None:
        if self._launch and self._notices.given:
            self._launch.notify(self._notices.given, self._notices.left_for_script)
