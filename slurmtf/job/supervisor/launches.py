"""The launches of an attempt: each order is launched, and launched again where that may help."""

import time
from typing import List, Optional

from ..common.process import Signals
from ..contract.attempt import events
from ..contract.attempt.outcome import Outcome
from ..contract.plan import LaunchOrder
from ..staging import workdir
from . import start
from .conclusion import compute_unheard_since, conclude, conclude_early, may_be_killed
from .continuation import Continuation
from .ending import Ending
from .job import Job
from .launch import Launch
from .orders import Orders
from .pulse import Pulse
from .result import Result


class Launches:
    """Carries out orders, one after the other."""

    def __init__(
        self,
        job: Job,
        signals: Signals,
        orders: Orders,
        ending: Ending,
        continuation: Continuation,
        result: Result,
        pulse: Pulse,
    ) -> None:
        self._job = job
        self._signals = signals
        self._orders = orders
        self._ending = ending
        self._continuation = continuation
        self._result = result
        self._pulse = pulse
        self._count = 0
        self._unheard: Optional[float] = None

    def carry_out(self, words: List[str], order: LaunchOrder) -> Outcome:
        """Launch an order, repeatedly if it restarts; return its final outcome."""
        outcome = self._launch(words, order)
        while self._decide_retry() or self._decide_restart(outcome):
            self.note_end(outcome)
            killing = self._ending.killing
            outcome = killing.outcome if killing else self._launch(words, order)
        self._orders.on_launch_ended(order, outcome)
        return outcome

    def note_end(self, outcome: Outcome) -> None:
        """Record the end of a launch that is not the last one."""
        self._job.journal.write(events.LaunchEnded(self._count - 1, outcome.to_dict()))

    def _decide_retry(self) -> bool:
        """Return whether to retry because slurmctld did not answer the last launcher: it may be restarting."""
        if self._unheard is None or self._ending.has_come:
            return False
        until = time.monotonic() + self._job.plan.timings.ask_again
        while not self._ending.has_come and time.monotonic() < until:
            self._pulse.wait(max(0.0, until - time.monotonic()))
        return time.monotonic() - self._unheard < self._job.plan.timings.unheard

    def _decide_restart(self, outcome: Outcome) -> bool:
        """Return whether a failed launch is restarted in this allocation; if we keep the time limit, it starts over."""
        if outcome.succeeded or self._ending.has_come or self._result.reported:
            return False
        if not self._continuation.decide_restart(outcome):
            return False
        self._ending.begin_anew(outcome.cause)
        return True

    def _launch(self, words: List[str], order: LaunchOrder) -> Outcome:
        self._create_folder(order)
        self._continuation.on_launch_starting(order.folder)
        restarts = self._continuation.restarts
        own = start.build_attempt_order(order, self._job.plan, restarts.number, restarts.may_launch)
        launch = Launch(self._job, self._signals, own)
        own_log = launch.log_begin if self._count else self._job.log_begin
        launch.begin(start.build_launch_words(self._job.plan, words, order), self._count, own_log)
        self._count += 1
        self._ending.on_launch_started(launch)
        while launch.poll() is None:
            self._tick(launch)
            if order.last:
                self._tell(launch)
        launch.end()
        if may_be_killed(launch.collect_facts()):
            self._ending.listen(self._job.plan.timings.listen)
        self._ending.act_on_signals()
        self._ending.on_launch_ended()
        outcome = self._result.reported or launch.add_tail(conclude(self._ending.complete_facts(launch.collect_facts())))
        self._unheard = compute_unheard_since(self._unheard, launch.began, outcome, launch.read_log())
        return outcome

    def _create_folder(self, order: LaunchOrder) -> None:
        """Create the folder of a launch that has one of its own."""
        if order.folder and not self._job.plan.stage.on_node:
            layout = self._job.layout.launch(order.folder)
            workdir.link(self._job.layout.work, layout.work, layout)

    def _tick(self, launch: Launch) -> None:
        launch.wait()
        self._pulse.turn()
        detail = self._orders.decide_call_off()
        if detail is not None:
            launch.call_off(detail)
        launch.tick()

    def _tell(self, launch: Launch) -> None:
        """Report the outcome once nothing can change it."""
        if self._result.reported or not launch.is_decided:
            return
        outcome = conclude_early(self._ending.complete_facts(launch.collect_facts()), time.monotonic())
        if outcome and (outcome.succeeded or not self._continuation.restarts.may_launch):
            self._result.tell(self._orders.conclude(launch.add_tail(outcome)))
