"""An element of a sweep: it takes one trial after the other, launches each in its allocation, and records how it ended."""

import math
import os
import time
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from ..common import identity
from ..contract import variables as var
from ..contract.attempt.outcome import MAY_RETURN, Cause, Outcome
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import chief
from ..contract.sweep.leases import STALE_S, Lease, Owner
from ..contract.sweep.ledger import Ledger, settled
from ..contract.sweep.records import (
    BY_DURATION,
    BY_POLICY,
    CANCELED,
    COMPLETED,
    FAILED,
    RETIRED,
    TOO_SHORT,
    Event,
    Point,
    Result,
    SweepLayout,
    arguments_of,
    launch_of,
    read_launches,
    read_settings,
    trial_folder,
    variables_of,
)
from ..supervisor.orders import Orders
from . import candidates, policies, slots
from .asking import Asker
from .progress import Progress
from .witness import LocalWitness, SlurmWitness

BEAT_S = 10.0
SILENT_S = 2 * BEAT_S
LOOK_S = 5.0
"""Seconds between two looks at what the others do, while there are trials that nobody has taken: their files are read, two
folders listed, and each lease looked at, which takes longer the more of them there are."""
LINGER_S = 60.0
"""Seconds for which an element without work stays while others work: it takes over what they may leave behind."""
TAKEN_OVER, STOPPED = "taken-over", "stopped"
LETS_GO = (Cause.CANCELED, *MAY_RETURN)
"""Causes that end the element, not the trial."""


class Running(NamedTuple):
    """The current trial. ``whole``: it has the element's whole time."""

    trial: int
    attempt: int
    started: float
    progress: Progress
    whole: bool


class Trials(Orders):
    """What one element of a sweep launches, or its ``slot`` of several. ``plan`` is of what the trial gets.

    Raises OSError or ValueError if the sweep's files can't be used.
    """

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], slot: Optional[int] = None) -> None:
        self._plan = plan
        self._layout = layout
        self._environ = environ
        files = SweepLayout(layout.folder)
        self._settings = read_settings(files.settings)
        self._ledger = Ledger(files, curves=self._settings.stopping.kind != "none")
        process = identity.process()
        job = identity.job_name(environ) or str(process.pid)
        element = job if slot is None else "{}.{}".format(job, slot)
        self._launches = read_launches(files.launches)
        self._size = None if slot is None else plan.size
        self._me = Owner(element, job, identity.host(environ), process.pid, str(process.started))
        self._witness: Union[LocalWitness, SlurmWitness] = (
            LocalWitness() if plan.can.one_machine else SlurmWitness(os.path.join(files.folder, "squeue.json"), environ)
        )
        self._ledger.join(self._me, time.time())
        self._asker = Asker(self._ledger, environ) if self._settings.sampling == "bayesian" else None
        self._running: Optional[Running] = None
        self._outcomes: List[Tuple[str, float]] = []
        self._number = (identity.element(environ) or 0) * self._settings.per_element + (slot or 0)
        self._next_beat = self._next_look = 0.0
        self._idle_since: Optional[float] = None
        self._left = False
        self._troubles = 0
        self._paused_until = 0.0

    # --- what comes next

    def next(self, left_s: Optional[float]) -> Optional[LaunchOrder]:
        self._ledger.leases.beat()
        looks = time.monotonic() >= self._next_look or not self._ledger.fresh()
        if looks or len(self._ledger.told.ends) < self._settings.same_error:
            self._ledger.told.refresh()
        why = self._why_to_leave(left_s)
        if not why and time.monotonic() < self._paused_until:
            return None
        taken = None if why else self._take(looks)
        if taken:
            self._idle_since = None
            return self._order(*taken)
        if why or not self.waits():
            self._leave(why or "nothing left to do")
        return None

    def waits(self) -> bool:
        """Return whether trials may come free that others work on."""
        if self._left or time.monotonic() < self._paused_until:
            return not self._left
        _, held = settled(self._ledger)
        if not held:
            return False
        self._idle_since = self._idle_since or time.monotonic()
        return time.monotonic() - self._idle_since < LINGER_S or self._may_come_free(held)

    def _may_come_free(self, held: Dict[int, int]) -> bool:
        """Return whether an owner has gone silent, and it is not known yet whether its job still runs."""
        ages = [lease.age for lease in self._ledger.leases.of(held) if not self._ledger.leases.is_ours(lease)]
        return any(SILENT_S < age < SILENT_S + LINGER_S for age in ages)

    def _why_to_leave(self, left_s: Optional[float]) -> str:
        self._stop_for_common_error()
        stopped = self._ledger.stopped()
        if stopped is not None:
            return "the sweep was stopped"
        if time.time() >= self._settings.deadline:
            return BY_DURATION
        if candidates.retires(self._outcomes, self._settings.retire):
            self._ledger.write(self._event(RETIRED, text="its last {} trials failed at once".format(self._settings.retire)))
            return RETIRED
        durations = [(end.status, end.value) for end in self._ledger.told.ends]
        return TOO_SHORT if candidates.is_too_short(left_s, durations, bool(self._outcomes)) else ""

    def _stop_for_common_error(self) -> None:
        error = candidates.common_error(self._ledger.told.ends, self._settings.same_error)
        if error is not None:
            self._ledger.stop({"why": "error", "error": error, "time": time.time()})

    def _take(self, looks: bool) -> Optional[Tuple[int, int]]:
        """Take the first available trial; ``looks``: consider those that others hold, too."""
        held = self._held(settled(self._ledger)[1]) if looks else []
        self._next_look = time.monotonic() + LOOK_S if looks else self._next_look
        fresh = candidates.spread(self._ledger.fresh(), self._number, self._settings.concurrent)
        lost = {one.trial for one in held if one.lost >= candidates.MOST_LOST and (one.released or not one.ours)}
        for trial, attempt in candidates.candidates(fresh, held):
            if not self._ledger.leases.claim(trial, attempt):
                continue
            if trial not in lost:
                return trial, attempt
            error = self._ledger.told.trials[trial].trouble if trial in self._ledger.told.trials else ""
            error = error or "lost with {} elements".format(candidates.MOST_LOST)
            self._end(Result(trial, FAILED, attempt, why="lost", error=error))
        return None

    def _held(self, attempts: Dict[int, int]) -> List[candidates.Held]:
        known = self._ledger.leases.of(attempts)
        leases = [lease for lease in known if self._released(lease) or not self._ledger.leases.is_ours(lease)]
        silent = [lease for lease in leases if lease.age > STALE_S and not self._released(lease)]
        states = self._witness.states([lease.owner for lease in silent if lease.owner.element != self._me.element])
        return [self._of_lease(lease, states.get(lease.owner.job, candidates.UNKNOWN)) for lease in leases]

    def _released(self, lease: Lease) -> str:
        trial = self._ledger.told.trials.get(lease.trial)
        return trial.released.get(lease.attempt, "") if trial else ""

    def _of_lease(self, lease: Lease, job: str) -> candidates.Held:
        trial = self._ledger.told.trials.get(lease.trial)
        lost = candidates.times_lost(lease.attempt, trial.released.values() if trial else ())
        ours = lease.owner.element == self._me.element
        return candidates.Held(lease.trial, lease.attempt, ours, lease.age > STALE_S, job, self._released(lease), lost)

    def _order(self, trial: int, attempt: int) -> LaunchOrder:
        point = self._point(trial)
        folder = trial_folder(trial)
        layout = self._layout.launch(folder)
        launch = self._launch(point)
        label = chief(self._plan.of_launch(launch)).label
        progress = Progress(layout, label, self._settings.metric, self._settings.resumes)
        self._running = Running(trial, attempt, time.time(), progress, not self._outcomes)
        self._ledger.write(self._event("took", text=point.note))
        earlier = layout.outputs if attempt and self._settings.resumes else point.resumes
        resume = ("--resume-from", earlier) if earlier else ()
        own = {var.SLURMTF_TRIAL: str(trial), var.SLURMTF_ATTEMPT: str(attempt + 1)}
        variables = dict(variables_of(point.values), **own)
        arguments = (*arguments_of(point.values), *resume)
        return launch._replace(arguments=arguments, variables=variables, folder=folder, last=False)

    def _launch(self, point: Point) -> LaunchOrder:
        """Return what the launch of a point does otherwise than the plan says; a slot's has its part of the node."""
        launch = launch_of(self._launches, point.values)
        if self._size is None:
            return launch
        return launch._replace(size=slots.share_of(launch.size, self._settings.per_element) if launch.size else self._size)

    def _point(self, trial: int) -> Point:
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
        """Return whether no element has anything to do any more."""
        return self._ledger.stopped() is not None or len(self._ledger.done()) >= len(self._ledger.points)

    # --- while a trial runs

    def call_off(self) -> Optional[Dict[str, object]]:
        running = self._running
        if running is None:
            return None
        hopeless = self._take_values(running)
        why = hopeless or self._called_off_by_others(running)
        return {"policy": why} if why else None

    def _take_values(self, running: Running, at_end: bool = False) -> str:
        """Tell the others what the trial has logged; return the policy that stops it for that, else an empty text."""
        known = len(running.progress.values)
        new = running.progress.read_new(at_end)
        if not new:
            return ""
        self._ledger.write(*(self._event("value", known + n, value) for n, value in enumerate(new, 1)))
        if self._settings.stopping.kind == "none":
            return ""
        self._ledger.told.refresh()
        values, curves = running.progress.values, self._ledger.curves()
        for end in range(known + 1, len(values) + 1):
            curves[running.trial] = values[:end]
            if policies.stops(self._settings.stopping, self._settings.sign, running.trial, curves):
                return BY_POLICY
        return ""

    def _called_off_by_others(self, running: Running) -> str:
        if time.monotonic() < self._next_beat:
            return ""
        self._next_beat = time.monotonic() + BEAT_S
        self._ledger.leases.beat()
        if time.time() >= self._settings.deadline:
            return BY_DURATION
        if not self._ledger.holds(running.trial, running.attempt):
            return TAKEN_OVER
        return STOPPED if self._ledger.stopped() is not None else ""

    # --- when it has ended

    def ended(self, order: LaunchOrder, outcome: Outcome) -> None:  # noqa: ARG002
        running = self._running
        if running is None:
            return
        self._take_values(running, at_end=True)
        self._ledger.leases.beat()
        why = str(outcome.detail.get("policy", "")) if outcome.cause is Cause.CALLED_OFF else ""
        lets_go = outcome.cause in LETS_GO or why == TAKEN_OVER or (outcome.cause is Cause.TIME_LIMIT and not running.whole)
        trouble = candidates.is_trouble(outcome.cause, self._plan.size.nodes)
        if lets_go or trouble:
            error = outcome.error if trouble else ""
            self._ledger.write(self._event("released", text=error)._replace(status=why or outcome.cause.value))
        else:
            self._end(self._result(running, outcome, why))
        self._note_trouble(running, trouble)
        self._running = None
        if outcome.cause in (*LETS_GO, Cause.TIME_LIMIT):
            self._ledger.write(Event("left", time.time(), text=outcome.cause.value, host=self._me.host))

    def _note_trouble(self, running: Running, trouble: bool) -> None:
        """Wait before the next trial where this one could not be launched: longer each time, and at last no more."""
        self._troubles = self._troubles + 1 if trouble else 0
        if trouble:
            self._outcomes.append((FAILED, time.time() - running.started))
            self._paused_until = time.monotonic() + candidates.pause_after(self._troubles)

    def _result(self, running: Running, outcome: Outcome, why: str) -> Result:
        status = COMPLETED if outcome.succeeded else CANCELED if why else FAILED
        progress, sign = running.progress, self._settings.sign
        numbers = [value for value in progress.values if not math.isnan(value)]
        error = outcome.error if status == FAILED else ""
        return Result(
            trial=running.trial,
            status=status,
            attempt=running.attempt,
            started=running.started,
            why=why or ("" if outcome.succeeded else outcome.cause.value),
            error=error,
            exit_code=outcome.exit_code,
            signal=outcome.signal,
            task=outcome.task,
            best=max(numbers, key=lambda value: sign * value) if numbers else None,
            values=len(progress.values),
            names=() if progress.values else tuple(sorted(progress.names)),
        )

    def _end(self, result: Result) -> None:
        """Write a result; tell the others if it is the one that counts."""
        now = time.time()
        result = result._replace(element=self._me.element, host=self._me.host, ended=now, started=result.started or now)
        seconds = result.ended - result.started
        self._outcomes.append((result.status, seconds))
        if self._ledger.finish(result):
            event = Event("ended", now, result.trial, result.attempt, value=seconds, text=result.error, status=result.status)
            self._ledger.write(event)

    def _event(self, kind: str, number: int = 0, value: float = 0.0, text: str = "") -> Event:
        running = self._running
        trial, attempt = (running.trial, running.attempt) if running else (-1, 0)
        return Event(kind, time.time(), trial, attempt, number, value, text, self._me.host)

    def conclude(self, last: Optional[Outcome]) -> Outcome:  # noqa: ARG002
        return Outcome(Cause.SCRIPT, exit_code=0)
