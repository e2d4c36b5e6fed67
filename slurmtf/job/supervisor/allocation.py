"""The allocation: a job's nodes while it has them. One supervisor holds it, in the batch step.

It prepares the working directory, starts one launch after the other, and clears up.
"""

import signal
import time
from typing import List, Mapping, Optional

from ..common.process import Child, Signals
from ..contract.attempt import events, journal
from ..contract.attempt.outcome import MAY_RETURN, Cause, Outcome
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import assign_roles
from ..staging import staging, workdir
from . import start
from .conclusion import STOP_SIGNALS, Killing
from .continuation import Continuation
from .ending import Ending
from .job import open_job
from .launches import Launches
from .orders import Orders, PlannedOrders
from .pulse import Pulse
from .result import Result

ENDS_ALL = (Cause.TIME_LIMIT, Cause.CANCELED, *MAY_RETURN)
"""Causes that end the job from outside, whatever launches are still to come."""


class _EndedError(Exception):
    def __init__(self, killing: Killing) -> None:
        self.killing = killing
        super().__init__(killing.cause.value)


class Allocation:
    """The life of one job. ``orders`` decide what is launched in it; by default those of the plan do."""

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], orders: Optional[Orders] = None) -> None:
        earlier = journal.read_attempts(layout)
        self._job = job = open_job(plan, layout, environ, is_first=not earlier)
        self._orders = orders or PlannedOrders(plan)
        self._result = Result(job)
        self._continuation = Continuation(job, earlier)
        signals = Signals((*STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2))
        self._ending = Ending(job, signals, self._continuation)
        self._pulse = Pulse(job, signals, self._ending)
        self._launches = Launches(job, signals, self._orders, self._ending, self._continuation, self._result, self._pulse)

    def run(self, words: List[str]) -> int:
        """Start the launcher's words for each order; return the exit code to exit with."""
        self._result.begin(assign_roles(self._job.plan)[0].label)
        self._note_start()
        outcome = self._continuation.restarts.find_known_outcome()
        if outcome is None:
            outcome = self._run_attempt(words)
            self._continuation.on_attempt_ended(outcome)
        returns = outcome.cause in MAY_RETURN or self._continuation.goes_on or self._job.journal.is_followed
        return self._result.finish(outcome, is_known=not returns)

    def _note_start(self) -> None:
        restarts = self._continuation.restarts
        number = 0 if self._job.plan.sweep else restarts.number
        self._job.journal.write(self._job.describe_start(number, restarts.at_most))

    def _run_attempt(self, words: List[str]) -> Outcome:
        try:
            self._prepare()
            outcome = self._launch_all(words)
        except _EndedError as err:
            return err.killing.outcome
        except OSError as err:
            cause = Cause.LAUNCHER if err.filename == words[0] else Cause.AGENT
            return Outcome(cause, exit_code=1, detail={"error": str(err), "launcher": self._job.plan.launcher})
        self._job.journal.write(events.Finalizing())
        return outcome

    def _prepare(self) -> None:
        staging.create_targets(self._job.plan)
        if not self._job.plan.stage.on_node:
            workdir.prepare(self._job.layout, self._job.plan.snapshot, self._on_pulse)
        self._job.journal.write(events.Prepared())

    def _on_pulse(self) -> None:
        """Do what is due. Raises _EndedError if the job is being ended."""
        self._pulse.turn()
        killing = self._ending.killing
        if killing:
            raise _EndedError(killing)

    def _launch_all(self, words: List[str]) -> Outcome:
        """Start one launch after the other; return the outcome of the whole."""
        outcome = None
        order = self._wait_for_order()
        while order is not None:
            outcome = self._launches.carry_out(words, order)
            if order.last or outcome.cause in ENDS_ALL:
                self._clear(words if self._continuation.restarts.may_launch else [])
                return outcome if outcome.cause in ENDS_ALL else self._orders.conclude(outcome)
            self._launches.note_end(outcome)
            order = self._wait_for_order()
        self._ending.act_on_signals()
        self._clear(words)
        killing = self._ending.killing
        return killing.outcome if killing else self._orders.conclude(outcome)

    def _wait_for_order(self) -> Optional[LaunchOrder]:
        """Return the next order; None if there is none, or the job has been ended from outside meanwhile."""
        self._pulse.turn()
        while not self._ending.has_come:
            order = self._orders.take_next(self._ending.left)
            if order is not None or not self._orders.should_wait():
                return order
            self._pulse.wait()
        return None

    def _clear(self, words: List[str]) -> None:
        """Remove what was kept on the nodes for a launch that does not come, starting the agent there as the tasks were."""
        task = start.build_clear_command(words, self._job.layout.agent)
        if self._ending.has_come or not task or not self._job.plan.uses_disks:
            return
        child = Child(task, self._job.layout.folder, self._job.environ)
        deadline = time.monotonic() + self._job.plan.timings.start
        while child.poll() is None:
            self._pulse.wait()
            if self._ending.has_come or time.monotonic() > deadline:
                child.end(self._job.plan.timings.grace)
