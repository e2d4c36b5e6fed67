"""The allocation: a job's nodes while it has them. One supervisor holds it, in the batch step.

It prepares the working directory, heeds signals and the time limit, starts one launch after the other, and writes down what
happened.
"""

import contextlib
import os
import select
import signal
import time
from typing import List, Mapping, Optional, Tuple

from ..common import identity, wire
from ..common.process import Child, Signals
from ..contract import events, job_log, journal
from ..contract import variables as var
from ..contract.layout import RunLayout
from ..contract.outcome import MAY_RETURN, Cause, Outcome, signal_name
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import table
from ..staging import staging, workdir
from . import receipt, restart, result, slurm_job, start
from .conclusion import STOP_SIGNALS, Killing, by_notice, conclude, may_be_killed, with_memory
from .continuation import Continuation
from .launch import Launch
from .orders import Orders, PlannedOrders
from .time_limit import TimeLimit


class Allocation:
    """The life of one job. ``orders`` decide what is launched in it; by default those of the plan.

    Whoever wants more than the plan subclasses :class:`.orders.Orders`:

        class Trials(Orders):
            def next(self, left_s):                # asked at first, and after each launch; None: nothing more
                trial = ledger.take()              # left_s: seconds until the time limit, None: unknown
                if trial is None:
                    return None
                return LaunchOrder(
                    arguments=("--lr", "0.1"),     # behind the command's own
                    variables={"TRIAL": "7"},      # they win over the plan's
                    folder="trials/7",             # in the run's folder: logs/, outputs/, metrics/ and work/ of its own
                    last=False,                    # more may follow: what was staged stays on the nodes
                )
            def call_off(self):                    # asked while it runs; facts: it is stopped, with cause called-off
                return {"policy": "bandit"} if ledger.is_hopeless() else None
            def ended(self, order, outcome):       # also of a launch that ended with the job: canceled, preempted ...
                ledger.note(order, outcome)
            def conclude(self, last):              # the job's own outcome; last: that of the last launch, None: there was none
                return Outcome(Cause.SCRIPT, exit_code=0)

        Allocation(plan, layout, os.environ, Trials(...)).run(words)

    The script of such a launch has its folder as $SLURMTF_LAUNCH_FOLDER ($SLURMTF_RUN_FOLDER stays the run's), and its working
    directory is <folder>/work, where ``outputs`` and ``logs`` are its own and all else are links to the source. ``command``,
    ``distribution``, ``size`` and ``launcher`` of an order say that it has another command, other tasks, started otherwise.
    """

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], orders: Optional[Orders] = None) -> None:
        self._plan = plan
        self._layout = layout
        self._orders = orders or PlannedOrders(plan)
        self._environ = dict(environ, **{wire.ALLOCATION: os.urandom(8).hex()})
        self._job_id = identity.job_id(environ) or str(os.getpid())
        self._job_name = identity.job_name(environ) or self._job_id
        self._earlier = journal.attempts(layout)
        self._journal = journal.open_new(layout, self._job_name)
        self._log_start = job_log.size_of(layout.job_log)
        self._began = time.monotonic()
        self._next_beat = self._next_look = self._began
        self._gives_way = False
        self._limit = TimeLimit(plan, environ)
        self._attempt_began = self._launched = self._began
        self._launch_log = self._log_start
        self._own_log = self._log_start if self._earlier else 0  # the batch script writes there before us
        self._unheard: Optional[float] = None
        self._killed: Optional[Tuple[int, float]] = None
        self._overtime = False
        self._told: Optional[Outcome] = None
        self._noticed: Optional[Cause] = None
        self._continuation = Continuation(plan, layout, environ, self._journal, self._earlier)
        self._signals = Signals((*STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2))

    def run(self, words: List[str]) -> int:
        """Start the launcher's words for each of the orders; return the exit status to leave with.

        A job that has succeeded already, in an attempt whose end Slurm has not seen, ends at once with that outcome.
        """
        result.forget(self._layout, self._job_name)
        self._note_start()
        again = identity.attempt(self._environ) > 0 or restart.follows(self._earlier, self._job_name)
        again = again or self._continuation.number > 1
        done = restart.success_of(self._earlier, self._job_name) if again else None
        done = done or self._continuation.refusal()
        if done:
            return self._finish(done)
        outcome = self._attempt(words)
        self._continuation.after(outcome, time.monotonic() - self._attempt_began)
        return self._finish(outcome)

    def _attempt(self, words: List[str]) -> Outcome:
        try:
            result.link_logs(self._layout, self._job_name, table(self._plan)[0].label)
            self._prepare()
            outcome = self._launch_all(words)
        except OSError as err:
            cause = Cause.LAUNCHER if err.filename == words[0] else Cause.AGENT
            return Outcome(cause, exit_code=1, detail={"error": str(err), "launcher": self._plan.launcher})
        self._journal.write(events.Finalizing())
        return outcome

    def _note_start(self) -> None:
        self._journal.write(
            events.Started(
                job_id=identity.array_job_id(self._environ) or self._job_id,
                element=identity.element(self._environ),
                attempt=identity.attempt(self._environ),
                host=identity.host(self._environ),
                nodes=self._environ.get(var.SLURM_JOB_NODELIST, ""),
                process=identity.process(),
                cluster=self._environ.get(var.SLURM_CLUSTER_NAME, ""),
                job_log=self._own_log,
                nth=0 if self._plan.sweep else self._continuation.number,
                at_most=self._continuation.at_most,
            )
        )

    def _prepare(self) -> None:
        staging.make_targets(self._plan)
        if not self._plan.stage.on_node:
            workdir.prepare(self._layout, self._plan.snapshot)
        self._journal.write(events.Prepared())

    def _launch_all(self, words: List[str]) -> Outcome:
        """Start one launch after the other; return the outcome of the whole."""
        number, outcome = 0, None
        order = self._next()
        while order is not None:
            outcome = self._launch(words, order, number)
            again = self._was_unheard(outcome) or self._starts_again(order, outcome)
            if not again:
                self._orders.ended(order, outcome)
            if not again and (order.last or outcome.cause in ENDS_ALL):
                self._clear(words if self._continuation.may_launch else [])
                return outcome if outcome.cause in ENDS_ALL else self._orders.conclude(outcome)
            self._journal.write(events.LaunchEnded(number, outcome.to_dict()))
            number, order = number + 1, order if again else self._next()
        self._heed(None)
        self._clear(words)
        killing = self._killing()
        if killing:
            return Outcome(killing.cause, host=killing.node, signal=int(killing.signal))
        return self._orders.conclude(outcome)

    def _was_unheard(self, outcome: Outcome) -> bool:
        """Tell whether a launcher got no answer from slurmctld, which may be started anew just now: it is asked again, for a
        while."""
        written = job_log.written_since(self._layout.job_log, self._launch_log)
        if outcome.cause is not Cause.LAUNCHER or self._killed or not job_log.was_unanswered(written):
            self._unheard = None
            return False
        self._unheard = self._unheard or self._launched
        select.select([self._signals], [], [], slurm_job.PAUSE_S)
        return time.monotonic() - self._unheard < slurm_job.PATIENCE_S

    def _starts_again(self, order: LaunchOrder, outcome: Outcome) -> bool:
        """Tell whether a launch that failed is started again in this allocation; where we keep the time, it begins anew."""
        if outcome.succeeded or self._killed or self._told:
            return False
        if not self._continuation.in_allocation(outcome, order.folder, time.monotonic() - self._attempt_began):
            return False
        self._attempt_began = time.monotonic()
        if outcome.cause is Cause.TIME_LIMIT:
            self._limit, self._overtime = TimeLimit(self._plan, self._environ), False
        self._noticed = None
        return True

    def _next(self) -> Optional[LaunchOrder]:
        """Return what comes next; None: nothing does, or the job has been ended from outside meanwhile."""
        while True:
            self._heed(None)
            order = None if self._killed else self._orders.next(self._limit.left)
            if order is not None or self._killed or not self._orders.waits():
                return order
            select.select([self._signals], [], [], 1.0)
            self._give_way(None)
            self._beat()

    def _launch(self, words: List[str], order: LaunchOrder, number: int) -> Outcome:
        self._make_folder(order)
        self._launched, self._launch_log = time.monotonic(), job_log.size_of(self._layout.job_log)
        self._continuation.begins(order.folder)
        kept = order._replace(last=order.last and not self._continuation.may_launch)
        launch = Launch(self._plan, self._layout, self._environ, self._journal, self._signals, self._told_of_attempt(kept))
        launch.begin(start.words_of(self._plan, words, order), number, self._launch_log if number else self._own_log)
        if self._noticed:
            launch.notify(self._noticed.value, self._left_after(self._noticed))
        while launch.poll() is None:
            self._tick(launch)
            if order.last:
                self._tell(launch, order)
        launch.end()
        if may_be_killed(launch.facts(None, self._overtime)):
            self._listen(launch)
        self._heed(launch)
        if self._told:
            return self._told
        outcome = self._by_notice(conclude(launch.facts(self._killing(), self._overtime)))
        outcome = with_memory(outcome, job_log.written_since(self._layout.job_log, self._launch_log))
        return self._with_tail(launch, outcome, order)

    def _told_of_attempt(self, order: LaunchOrder) -> LaunchOrder:
        """Return an order whose script is told which attempt it is; the trials of a sweep count their own."""
        if self._plan.sweep:
            return order
        return order._replace(variables=dict({var.SLURMTF_ATTEMPT: str(self._continuation.number)}, **order.variables))

    def _make_folder(self, order: LaunchOrder) -> None:
        """Create the folder of a launch that has one of its own."""
        if order.folder and not self._plan.stage.on_node:
            layout = self._layout.launch(order.folder)
            workdir.link(self._layout.work, layout.work, layout)

    def _clear(self, words: List[str]) -> None:
        """Remove what was kept on the nodes for a launch that does not come: started as the tasks are that kept it."""
        task = start.words_to_clear(words, self._layout.agent)
        if self._killed or not task or not self._plan.uses_disks:
            return
        child = Child(task, self._layout.folder, self._environ)
        child.kill_after(self._plan.timings.start)
        while child.poll() is None:
            select.select([self._signals], [], [], 1.0)
            self._heed(None)
            if self._killed:
                child.end(self._plan.timings.grace)

    def _tick(self, launch: Launch) -> None:
        launch.wait()
        self._heed(launch)
        self._watch_time(launch)
        self._give_way(launch)
        detail = self._orders.call_off()
        if detail is not None:
            launch.call_off(detail)
        launch.tick()
        self._beat()

    def _give_way(self, launch: Optional[Launch]) -> None:
        """End the tasks when the next attempt of this job has begun: two would write the same outputs.

        Slurm starts a job again of which it has lost a node; that may live on, cut off from it alone.
        """
        if self._killed or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_S
        if self._journal.is_followed:
            self._killed, self._gives_way = (signal.SIGTERM, time.monotonic()), True
            if launch:
                launch.stop_for_good()

    def _beat(self) -> None:
        if time.monotonic() >= self._next_beat:
            self._journal.beat()
            self._next_beat = time.monotonic() + self._plan.timings.heartbeat

    def _tell(self, launch: Launch, order: LaunchOrder) -> None:
        """Write the outcome down once nothing can change it: whoever kills the job from then on does not."""
        outcome = None if self._told else launch.settled(self._killing(), self._overtime)
        outcome = self._by_notice(outcome) if outcome else None
        if outcome and (outcome.succeeded or not self._continuation.may_launch):
            self._told = self._orders.conclude(self._with_tail(launch, outcome, order))
            self._leave_result(self._told)
            self._journal.write(events.Decided(self._told.to_dict()))

    def _heed(self, launch: Optional[Launch]) -> None:
        """Act on the signals that have arrived."""
        for number in self._signals.take():
            self._journal.write(events.Signaled(signal_name(number)))
            if number == signal.SIGUSR2:
                self._be_warned(launch)
            elif number in STOP_SIGNALS:
                self._killed = self._killed or (number, time.monotonic())
                if launch:
                    launch.stop_at_once()
                self._hand_over()

    def _be_warned(self, launch: Optional[Launch]) -> None:
        """Act on Slurm's warning, of the time limit or of a preemption (slurm.conf(5), preempt_send_user_signal)."""
        if self._limit.explains_signal:
            self._warn()
        if self._noticed or not self._plan.notice.before:
            return
        cause = self._limit.announced(self._continuation.is_preempted)
        if cause:
            self._notify(launch, cause)

    def _notify(self, launch: Optional[Launch], cause: Cause) -> None:
        """Tell the script, once, that it will be ended; one that starts later is told then."""
        if self._noticed or not self._plan.notice.before:
            return
        self._noticed, left = cause, self._left_after(cause)
        self._journal.write(events.Noticed(cause.value, None if left is None else round(left)))
        if launch:
            launch.notify(cause.value, left)

    def _left_after(self, notice: Cause) -> Optional[float]:
        """Return for how many seconds the script may go on after a notice; None: nobody knows, as of a preemption."""
        left = self._limit.left
        return None if left is None or notice is not Cause.TIME_LIMIT else max(0.0, left - self._leave_s)

    def _by_notice(self, outcome: Outcome) -> Outcome:
        return by_notice(outcome, self._noticed, self._plan.notice.exit_code)

    def _hand_over(self) -> None:
        killing = self._killing()
        if killing:
            self._continuation.hand_over(killing.cause, killing.node)

    @property
    def _leaves(self) -> bool:
        """Whether the time is over: the limit's own where no scheduler holds it; so long before it as it takes to go on."""
        if not self._plan.can.keeps_time:
            return self._limit.is_over
        left = self._limit.left
        return left is not None and 0 < self._leave_s >= left

    @property
    def _leave_s(self) -> float:
        """How many seconds before the time limit we end the tasks; 0: Slurm does, at the limit."""
        goes_on = self._plan.can.keeps_time and self._continuation.may_follow(Cause.TIME_LIMIT)
        return self._plan.timings.leave if goes_on else 0.0

    def _watch_time(self, launch: Launch) -> None:
        """Tell of the time limit some time before, and hold it where no scheduler does, or the run is to go on after it."""
        if self._limit.is_near:
            self._warn()
        left = self._limit.left
        if left is not None and left <= self._plan.notice.before + self._leave_s:
            self._notify(launch, Cause.TIME_LIMIT)
        if self._leaves and not launch.stopping:
            self._overtime = True
            self._journal.write(events.TimeLimit())
            launch.stop_for_good()

    def _warn(self) -> None:
        if self._limit.warn_once():
            left = self._limit.left
            self._journal.write(events.TimeWarning(None if left is None else round(left)))

    def _listen(self, launch: Launch) -> None:
        """Wait for a signal that ends us: a task's end by the same one may be heard before our own."""
        deadline = time.monotonic() + self._plan.timings.listen
        while not self._killed and time.monotonic() < deadline:
            self._heed(launch)
            time.sleep(0.02)

    def _killing(self) -> Optional[Killing]:
        """Return what ends the job from outside, with why: slurmstepd writes it into the job's log before it sends TERM."""
        if self._killed is None:
            return None
        written = job_log.written_since(self._layout.job_log, self._log_start)
        cause = Cause.REQUEUED if self._gives_way else job_log.cause_of_kill(written, self._job_id)
        node = job_log.failed_node(written) if cause is Cause.NODE_FAILURE else ""
        return Killing(self._killed[0], self._killed[1], cause, node)

    def _with_tail(self, launch: Launch, outcome: Outcome, order: LaunchOrder) -> Outcome:
        """Return the outcome with the log that tells more, and the last lines that this launch wrote there."""
        if outcome.cause is Cause.LAUNCHER:
            path, begin = self._layout.job_log, self._launch_log
        elif outcome.task:
            path, begin = self._layout.launch(order.folder).task_log(outcome.task, "err"), launch.errors_of(outcome.task)
        else:
            return outcome
        return outcome._replace(log=os.path.relpath(path, self._layout.folder), tail=job_log.tail(path, begin=begin))

    def _finish(self, outcome: Outcome) -> int:
        """Write the outcome into the journal and where submitit looks for it; return the exit status to leave with."""
        returns = outcome.cause in MAY_RETURN or self._continuation.goes_on or self._journal.is_followed
        if not returns and not self._told:  # else its result is not known yet, or told already
            self._leave_result(outcome)
        took = time.monotonic() - self._began
        self._journal.write(events.Ended(outcome.to_dict(), round(took, 3)))
        receipt.complete(self._plan, self._layout, self._environ, outcome, time.time() - took, time.time())
        return outcome.job_status

    def _leave_result(self, outcome: Outcome) -> None:
        with contextlib.suppress(OSError):  # a full disk: the journal and the exit status tell
            result.leave(self._layout, self._job_name, self._plan.run.run_id, outcome)


LOOK_S = 5.0
"""Seconds between two looks for a later attempt of the job."""
ENDS_ALL = (Cause.TIME_LIMIT, Cause.CANCELED, *MAY_RETURN)
"""Causes that end the job from outside, whatever launches are still to come."""
