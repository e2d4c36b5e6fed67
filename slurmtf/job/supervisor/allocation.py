"""The allocation: a job's nodes while it has them. One supervisor holds it, in the batch step.

It prepares the working directory, starts one launch after the other, and clears up.
"""

import os
import select
import signal
import time
from typing import List, Mapping, Optional

from ..common import identity, wire
from ..common.process import Child, Signals
from ..common.rhythm import Rhythm
from ..contract import variables as var
from ..contract.attempt import events, job_log, journal
from ..contract.attempt.outcome import MAY_RETURN, Cause, Outcome
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import assign_roles
from ..staging import staging, workdir
from . import start
from .conclusion import STOP_SIGNALS, Killing, compute_unheard_since, conclude, conclude_early, may_be_killed
from .continuation import Continuation
from .ending import Ending
from .launch import TICK_S, Launch
from .orders import Orders, PlannedOrders
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
        self._plan = plan
        self._layout = layout
        self._orders = orders or PlannedOrders(plan)
        self._environ = dict(environ, **{wire.ALLOCATION: os.urandom(8).hex()})
        self._job_name = identity.get_job_name(environ) or str(os.getpid())
        earlier = journal.read_attempts(layout)
        self._journal = journal.open_new(layout, self._job_name)
        self._own_log = job_log.get_size(layout.job_log) if earlier else 0  # the batch script writes there before us
        self._result = Result(plan, layout, environ, self._journal)
        self._continuation = Continuation(plan, layout, environ, self._journal, earlier)
        self._signals = Signals((*STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2))
        self._ending = Ending(plan, layout, environ, self._journal, self._signals, self._continuation)
        self._heartbeat = Rhythm(plan.timings.heartbeat)
        self._launches = 0
        self._unheard: Optional[float] = None

    def run(self, words: List[str]) -> int:
        """Start the launcher's words for each order; return the exit code to exit with."""
        self._result.begin(assign_roles(self._plan)[0].label)
        self._note_start()
        outcome = self._continuation.find_known_outcome()
        if outcome is None:
            outcome = self._run_attempt(words)
            self._continuation.on_attempt_ended(outcome)
        returns = outcome.cause in MAY_RETURN or self._continuation.goes_on or self._journal.is_followed
        return self._result.finish(outcome, is_known=not returns)

    def _note_start(self) -> None:
        self._journal.write(
            events.Started(
                job_id=identity.get_array_job_id(self._environ) or identity.get_job_id(self._environ) or self._job_name,
                element=identity.get_element(self._environ),
                attempt=identity.count_requeues(self._environ),
                host=identity.get_host(self._environ),
                nodes=self._environ.get(var.SLURM_JOB_NODELIST, ""),
                process=dict(identity.identify_process()._asdict()),
                cluster=self._environ.get(var.SLURM_CLUSTER_NAME, ""),
                job_log=self._own_log,
                nth=0 if self._plan.sweep else self._continuation.number,
                at_most=self._continuation.at_most,
            )
        )

    def _run_attempt(self, words: List[str]) -> Outcome:
        try:
            self._prepare()
            outcome = self._launch_all(words)
        except _EndedError as err:
            return err.killing.outcome
        except OSError as err:
            cause = Cause.LAUNCHER if err.filename == words[0] else Cause.AGENT
            return Outcome(cause, exit_code=1, detail={"error": str(err), "launcher": self._plan.launcher})
        self._journal.write(events.Finalizing())
        return outcome

    def _prepare(self) -> None:
        staging.create_targets(self._plan)
        if not self._plan.stage.on_node:
            workdir.prepare(self._layout, self._plan.snapshot, self._on_pulse)
        self._journal.write(events.Prepared())

    def _on_pulse(self) -> None:
        """Do what is due. Raises _EndedError if the job is being ended."""
        self._turn()
        killing = self._ending.killing
        if killing:
            raise _EndedError(killing)

    def _launch_all(self, words: List[str]) -> Outcome:
        """Start one launch after the other; return the outcome of the whole."""
        outcome = None
        order = self._wait_for_order()
        while order is not None:
            outcome = self._carry_out(words, order)
            if order.last or outcome.cause in ENDS_ALL:
                self._clear(words if self._continuation.may_launch else [])
                return outcome if outcome.cause in ENDS_ALL else self._orders.conclude(outcome)
            self._note_end(outcome)
            order = self._wait_for_order()
        self._ending.act_on_signals()
        self._clear(words)
        killing = self._ending.killing
        return killing.outcome if killing else self._orders.conclude(outcome)

    def _wait_for_order(self) -> Optional[LaunchOrder]:
        """Return the next order; None if there is none, or the job has been ended from outside meanwhile."""
        self._turn()
        while not self._ending.has_come:
            order = self._orders.take_next(self._ending.left)
            if order is not None or not self._orders.should_wait():
                return order
            self._wait()
        return None

    def _carry_out(self, words: List[str], order: LaunchOrder) -> Outcome:
        """Launch an order, repeatedly if it restarts; return its final outcome."""
        outcome = self._launch(words, order)
        while self._decide_retry() or self._decide_restart(outcome):
            self._note_end(outcome)
            killing = self._ending.killing
            outcome = killing.outcome if killing else self._launch(words, order)
        self._orders.on_launch_ended(order, outcome)
        return outcome

    def _note_end(self, outcome: Outcome) -> None:
        """Record the end of a launch that is not the last one."""
        self._journal.write(events.LaunchEnded(self._launches - 1, outcome.to_dict()))

    def _decide_retry(self) -> bool:
        """Return whether to retry because slurmctld did not answer the last launcher: it may be restarting."""
        if self._unheard is None or self._ending.has_come:
            return False
        until = time.monotonic() + self._plan.timings.ask_again
        while not self._ending.has_come and time.monotonic() < until:
            self._wait(max(0.0, until - time.monotonic()))
        return time.monotonic() - self._unheard < self._plan.timings.unheard

    def _decide_restart(self, outcome: Outcome) -> bool:
        """Return whether a failed launch is restarted in this allocation; if we keep the time limit, it starts over."""
        if outcome.succeeded or self._ending.has_come or self._result.told:
            return False
        if not self._continuation.decide_restart(outcome):
            return False
        self._ending.begin_anew(outcome.cause)
        return True

    def _launch(self, words: List[str], order: LaunchOrder) -> Outcome:
        self._create_folder(order)
        self._continuation.on_launch_starting(order.folder)
        own = start.build_attempt_order(order, self._plan, self._continuation.number, self._continuation.may_launch)
        launch = Launch(self._plan, self._layout, self._environ, self._journal, self._signals, own)
        own_log = launch.log_begin if self._launches else self._own_log
        launch.begin(start.build_launch_words(self._plan, words, order), self._launches, own_log)
        self._launches += 1
        self._ending.on_launch_started(launch)
        while launch.poll() is None:
            self._tick(launch)
            if order.last:
                self._tell(launch)
        launch.end()
        if may_be_killed(launch.collect_facts()):
            self._ending.listen(self._plan.timings.listen)
        self._ending.act_on_signals()
        self._ending.on_launch_ended()
        outcome = self._result.told or launch.add_tail(conclude(self._ending.complete_facts(launch.collect_facts())))
        self._unheard = compute_unheard_since(self._unheard, launch.began, outcome, launch.read_log())
        return outcome

    def _create_folder(self, order: LaunchOrder) -> None:
        """Create the folder of a launch that has one of its own."""
        if order.folder and not self._plan.stage.on_node:
            layout = self._layout.launch(order.folder)
            workdir.link(self._layout.work, layout.work, layout)

    def _tick(self, launch: Launch) -> None:
        launch.wait()
        self._turn()
        detail = self._orders.decide_call_off()
        if detail is not None:
            launch.call_off(detail)
        launch.tick()

    def _tell(self, launch: Launch) -> None:
        """Report the outcome once nothing can change it."""
        if self._result.told or not launch.is_decided:
            return
        outcome = conclude_early(self._ending.complete_facts(launch.collect_facts()), time.monotonic())
        if outcome and (outcome.succeeded or not self._continuation.may_launch):
            self._result.tell(self._orders.conclude(launch.add_tail(outcome)))

    def _wait(self, seconds: float = TICK_S) -> None:
        """Wait a moment while no launch runs; a signal or the end of a child is noticed at once."""
        select.select([self._signals], [], [], min(seconds, TICK_S))
        self._turn()

    def _turn(self) -> None:
        """Do what is due, whatever the job waits for."""
        self._ending.turn()
        if self._heartbeat.is_due():
            self._journal.beat()

    def _clear(self, words: List[str]) -> None:
        """Remove what was kept on the nodes for a launch that does not come, starting the agent there as the tasks were."""
        task = start.build_clear_command(words, self._layout.agent)
        if self._ending.has_come or not task or not self._plan.uses_disks:
            return
        child = Child(task, self._layout.folder, self._environ)
        deadline = time.monotonic() + self._plan.timings.start
        while child.poll() is None:
            self._wait()
            if self._ending.has_come or time.monotonic() > deadline:
                child.end(self._plan.timings.grace)
