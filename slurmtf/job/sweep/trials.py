"""An element of a sweep: it takes one trial after the other, launches each in its allocation, and records how it ended."""

import os
import time
from typing import Dict, List, Mapping, Optional, Tuple, Union

from ..common import identity
from ..contract import variables as var
from ..contract.attempt.outcome import Cause, Outcome
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import choose_chief
from ..contract.sweep.leases import Owner
from ..contract.sweep.ledger import Ledger
from ..contract.sweep.records import (
    BY_DURATION,
    BY_POLICY,
    FAILED,
    RETIRED,
    TOO_SHORT,
    Event,
    Point,
    Result,
    SweepLayout,
    build_arguments,
    get_launch,
    get_trial_folder,
    read_launches,
    read_settings,
    select_variables,
)
from ..supervisor.orders import Orders
from . import candidates, policies, slots
from .asking import Asker
from .progress import Progress
from .running import LETS_GO, TAKEN_OVER, Running, build_result, get_stop_reason, is_released
from .taking import BEAT_S, Taken, Taker
from .witness import LocalWitness, SlurmWitness

STOPPED = "stopped"


class Trials(Orders):
    """The launches of one element of a sweep, or of one ``slot`` of it. ``plan`` has the resources of one trial.

    Raises OSError or ValueError if the sweep's files can't be used.
    """

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], slot: Optional[int] = None) -> None:
        self._plan = plan
        self._layout = layout
        self._environ = environ
        files = SweepLayout(layout.folder)
        self._settings = read_settings(files.settings)
        self._ledger = Ledger(files, curves=self._settings.stopping.kind != "none")
        process = identity.identify_process()
        job = identity.get_job_name(environ) or str(process.pid)
        element = job if slot is None else "{}.{}".format(job, slot)
        self._launches = read_launches(files.launches)
        self._size = None if slot is None else plan.size
        self._me = Owner(element, job, identity.get_host(environ), process.pid, str(process.started))
        self._witness: Union[LocalWitness, SlurmWitness] = (
            LocalWitness() if plan.can.one_machine else SlurmWitness(os.path.join(files.folder, "squeue.json"), environ)
        )
        number = (identity.get_element(environ) or 0) * self._settings.per_element + (slot or 0)
        self._taker = Taker(self._ledger, self._me, self._witness, number, self._settings.concurrent)
        self._ledger.join(self._me, time.time())
        self._asker = Asker(self._ledger, environ) if self._settings.sampling == "bayesian" else None
        self._running: Optional[Running] = None
        self._outcomes: List[Tuple[str, float]] = []
        self._next_beat = 0.0
        self._left = False
        self._troubles = 0
        self._paused_until = 0.0

    # --- what comes next

    def take_next(self, left_s: Optional[float]) -> Optional[LaunchOrder]:
        self._ledger.leases.beat()
        looks = self._taker.is_due()
        if looks or len(self._ledger.told.ends) < self._settings.same_error:
            self._ledger.told.refresh()
        why = self._find_reason_to_leave(left_s)
        if not why and time.monotonic() < self._paused_until:
            return None
        taken = None if why else self._take(looks)
        if taken:
            return self._build_order(taken.trial, taken.attempt)
        if why or not self.should_wait():
            self._leave(why or "nothing left to do")
        return None

    def should_wait(self) -> bool:
        """Return whether trials that others work on may become free."""
        if self._left or time.monotonic() < self._paused_until:
            return not self._left
        return self._taker.should_wait()

    def _find_reason_to_leave(self, left_s: Optional[float]) -> str:
        self._stop_for_common_error()
        stopped = self._ledger.read_stop()
        if stopped is not None:
            return "the sweep was stopped"
        if time.time() >= self._settings.deadline:
            return BY_DURATION
        if candidates.should_retire(self._outcomes, self._settings.retire):
            self._ledger.write(
                self._build_event(RETIRED, text="its last {} trials failed at once".format(self._settings.retire))
            )
            return RETIRED
        durations = [(end.status, end.value) for end in self._ledger.told.ends]
        return TOO_SHORT if candidates.is_too_short(left_s, durations, bool(self._outcomes)) else ""

    def _stop_for_common_error(self) -> None:
        error = candidates.find_common_error(self._ledger.told.ends, self._settings.same_error)
        if error is not None:
            self._ledger.stop({"why": "error", "error": error, "time": time.time()})

    def _take(self, looks: bool) -> Optional[Taken]:
        """Take the first trial that can be launched; those that were lost too often end here."""
        for taken in self._taker.take(looks):
            if not taken.lost:
                return taken
            self._end(Result(taken.trial, FAILED, taken.attempt, why="lost", error=taken.lost))
        return None

    def _build_order(self, trial: int, attempt: int) -> LaunchOrder:
        point = self._choose_point(trial)
        folder = get_trial_folder(trial)
        layout = self._layout.launch(folder)
        launch = self._build_launch(point)
        label = choose_chief(self._plan.with_launch(launch)).label
        progress = Progress(layout, label, self._settings.metric, self._settings.resumes)
        self._running = Running(trial, attempt, time.time(), progress, not self._outcomes)
        self._ledger.write(self._build_event("took", text=point.note))
        earlier = layout.outputs if attempt and self._settings.resumes else point.resumes
        resume = ("--resume-from", earlier) if earlier else ()
        own = {var.SLURMTF_TRIAL: str(trial), var.SLURMTF_ATTEMPT: str(attempt + 1)}
        variables = dict(select_variables(point.values), **own)
        arguments = (*build_arguments(point.values), *resume)
        return launch._replace(arguments=arguments, variables=variables, folder=folder, last=False)

    def _build_launch(self, point: Point) -> LaunchOrder:
        """Return how the launch of a point differs from the plan; in a slot, it gets the slot's part of the node."""
        launch = get_launch(self._launches, point.values)
        if self._size is None:
            return launch
        return launch._replace(
            size=slots.compute_slot_size(launch.size, self._settings.per_element) if launch.size else self._size
        )

    def _choose_point(self, trial: int) -> Point:
        """Return the point of a trial; in Bayesian sampling it is requested when the trial starts, and stays."""
        if self._asker and not self._ledger.has_point(trial):
            self._ledger.propose(trial, self._asker.ask(trial))
        return self._ledger.point(trial)

    def _leave(self, why: str) -> None:
        self._left = True
        if self._asker:
            self._asker.close()
        self._ledger.write(Event("left", time.time(), text=why, host=self._me.host))
        if self._is_over():
            self._witness.cancel_waiting()

    def _is_over(self) -> bool:
        """Return whether there is nothing left to do for any element."""
        return self._ledger.read_stop() is not None or len(self._ledger.list_done()) >= len(self._ledger.points)

    # --- while a trial runs

    def decide_call_off(self) -> Optional[Dict[str, object]]:
        running = self._running
        if running is None:
            return None
        hopeless = self._take_values(running)
        why = hopeless or self._find_reason_to_stop(running)
        return {"policy": why} if why else None

    def _take_values(self, running: Running, at_end: bool = False) -> str:
        """Record for the others what the trial has logged; return the policy that stops it, empty if none does."""
        known = len(running.progress.values)
        new = running.progress.read_new(at_end)
        if not new:
            return ""
        self._ledger.write(*(self._build_event("value", known + n, value) for n, value in enumerate(new, 1)))
        if self._settings.stopping.kind == "none":
            return ""
        self._ledger.told.refresh()
        values, curves = running.progress.values, self._ledger.collect_curves()
        for end in range(known + 1, len(values) + 1):
            curves[running.trial] = values[:end]
            if policies.should_stop(self._settings.stopping, self._settings.sign, running.trial, curves):
                return BY_POLICY
        return ""

    def _find_reason_to_stop(self, running: Running) -> str:
        if time.monotonic() < self._next_beat:
            return ""
        self._next_beat = time.monotonic() + BEAT_S
        self._ledger.leases.beat()
        if time.time() >= self._settings.deadline:
            return BY_DURATION
        if not self._ledger.holds(running.trial, running.attempt):
            return TAKEN_OVER
        return STOPPED if self._ledger.read_stop() is not None else ""

    # --- when it has ended

    def on_launch_ended(self, order: LaunchOrder, outcome: Outcome) -> None:  # noqa: ARG002
        running = self._running
        if running is None:
            return
        self._take_values(running, at_end=True)
        self._ledger.leases.beat()
        trouble = candidates.is_trouble(outcome.cause, self._plan.size.nodes)
        if is_released(outcome, running.whole, self._plan.size.nodes):
            error = outcome.error if trouble else ""
            self._ledger.write(
                self._build_event("released", text=error)._replace(status=get_stop_reason(outcome) or outcome.cause.value)
            )
        else:
            self._end(build_result(running, outcome, self._settings.sign))
        self._note_trouble(running, trouble)
        self._running = None
        if outcome.cause in (*LETS_GO, Cause.TIME_LIMIT):
            self._ledger.write(Event("left", time.time(), text=outcome.cause.value, host=self._me.host))

    def _note_trouble(self, running: Running, trouble: bool) -> None:
        """Wait before the next trial if this one could not be launched: longer each time; at last, the element retires."""
        self._troubles = self._troubles + 1 if trouble else 0
        if trouble:
            self._outcomes.append((FAILED, time.time() - running.started))
            self._paused_until = time.monotonic() + candidates.compute_pause(self._troubles)

    def _end(self, result: Result) -> None:
        """Write a result; report it to the others if it is the one that counts."""
        now = time.time()
        result = result._replace(element=self._me.element, host=self._me.host, ended=now, started=result.started or now)
        seconds = result.ended - result.started
        self._outcomes.append((result.status, seconds))
        if self._ledger.finish(result):
            event = Event("ended", now, result.trial, result.attempt, value=seconds, text=result.error, status=result.status)
            self._ledger.write(event)

    def _build_event(self, kind: str, number: int = 0, value: float = 0.0, text: str = "") -> Event:
        running = self._running
        trial, attempt = (running.trial, running.attempt) if running else (-1, 0)
        return Event(kind, time.time(), trial, attempt, number, value, text, self._me.host)

    def conclude(self, last: Optional[Outcome]) -> Outcome:  # noqa: ARG002
        return Outcome(Cause.SCRIPT, exit_code=0)
