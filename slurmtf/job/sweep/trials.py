"""An element of a sweep: it takes one trial after the other, launches each in its allocation, and records how it ended."""

import os
import time
from typing import Dict, Mapping, Optional, Union

from ..common import identity
from ..contract.attempt.outcome import Cause, Outcome
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import choose_chief
from ..contract.sweep.leases import Owner
from ..contract.sweep.ledger import Ledger
from ..contract.sweep.records import (
    BY_DURATION,
    FAILED,
    RETIRED,
    TOO_SHORT,
    Event,
    Point,
    Result,
    SweepLayout,
    get_trial_folder,
    read_launches,
    read_settings,
)
from ..supervisor.orders import Orders
from . import candidates, launching
from .asking import Asker
from .progress import Progress
from .running import LETS_GO, Running, build_event, build_result, get_stop_reason, is_released
from .taking import TakenTrial, Taker
from .track_record import TrackRecord
from .watch import Watch
from .witness import LocalWitness, SlurmWitness


class Trials(Orders):
    """The launches of one element of a sweep, or of one ``slot`` of it. ``plan`` has the resources of one trial.

    Raises OSError or ValueError if the sweep's files can't be used.
    """

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], slot: Optional[int] = None) -> None:
        self._plan = plan
        self._layout = layout
        files = SweepLayout(layout.folder)
        self._settings = read_settings(files.settings)
        self._ledger = Ledger(files, curves=self._settings.stopping.kind != "none")
        process = identity.identify_process()
        job = identity.get_job_name(environ) or str(process.pid)
        element = job if slot is None else "{}.{}".format(job, slot)
        self._launches = read_launches(files.launches)
        self._slot_size = None if slot is None else plan.size
        self._me = Owner(element, job, identity.get_host(environ), process.pid, str(process.started))
        self._witness: Union[LocalWitness, SlurmWitness] = (
            LocalWitness() if plan.can.one_machine else SlurmWitness(os.path.join(files.folder, "squeue.json"), environ)
        )
        number = (identity.get_element(environ) or 0) * self._settings.per_element + (slot or 0)
        self._taker = Taker(self._ledger, self._me, self._witness, number, self._settings.concurrent)
        self._ledger.join(self._me, time.time())
        self._asker = Asker(self._ledger, environ) if self._settings.sampling == "bayesian" else None
        self._running: Optional[Running] = None
        self._watch = Watch(self._ledger, self._settings, self._me.host)
        self._record = TrackRecord()
        self._left = False

    # --- what comes next

    def take_next(self, left_s: Optional[float]) -> Optional[LaunchOrder]:
        self._ledger.leases.beat()
        looks = self._taker.is_due()
        if looks or len(self._ledger.reports.ends) < self._settings.same_error:
            self._ledger.reports.refresh()
        why = self._find_reason_to_leave(left_s)
        if not why and self._record.pauses:
            return None
        taken = None if why else self._take(looks)
        if taken:
            return self._start(taken.trial, taken.attempt)
        if why or not self.should_wait():
            self._leave(why or "nothing left to do")
        return None

    def should_wait(self) -> bool:
        """Return whether trials that others work on may become free."""
        return not self._left and (self._record.pauses or self._taker.should_wait())

    def _find_reason_to_leave(self, left_s: Optional[float]) -> str:
        self._stop_for_common_error()
        stopped = self._ledger.read_stop()
        if stopped is not None:
            return "the sweep was stopped"
        if time.time() >= self._settings.deadline:
            return BY_DURATION
        if self._record.should_retire(self._settings.retire):
            self._report(RETIRED, "its last {} trials failed at once".format(self._settings.retire))
            return RETIRED
        durations = [(end.status, end.value) for end in self._ledger.reports.ends]
        return TOO_SHORT if self._record.is_too_short(left_s, durations) else ""

    def _stop_for_common_error(self) -> None:
        error = candidates.find_common_error(self._ledger.reports.ends, self._settings.same_error)
        if error is not None:
            self._ledger.stop({"why": "error", "error": error, "time": time.time()})

    def _take(self, looks: bool) -> Optional[TakenTrial]:
        """Take the first trial that can be launched; those that were lost too often end here."""
        for taken in self._taker.take(looks):
            if not taken.lost:
                return taken
            self._end(Result(taken.trial, FAILED, taken.attempt, why="lost", error=taken.lost))
        return None

    def _start(self, trial: int, attempt: int) -> LaunchOrder:
        """Return the launch of a trial that is ours now, and record that it begins."""
        point, resumes = self._choose_point(trial), self._settings.resumes
        launch = launching.choose_launch(self._launches, point, self._slot_size, self._settings.per_element)
        layout = self._layout.launch(get_trial_folder(trial))
        label = choose_chief(self._plan.with_launch(launch)).label
        progress = Progress(layout, label, self._settings.metric, resumes)
        self._running = Running(trial, attempt, time.time(), progress, self._record.is_empty)
        self._report("took", point.note)
        return launching.build_order(launch, point, trial, attempt, layout.outputs if attempt and resumes else point.resumes)

    def _choose_point(self, trial: int) -> Point:
        """Return the point of a trial; in Bayesian sampling it is requested when the trial starts, and stays."""
        if self._asker and not self._ledger.points.is_fixed(trial):
            self._ledger.points.propose(trial, self._asker.ask(trial))
        return self._ledger.points.get(trial)

    def _leave(self, why: str) -> None:
        self._left = True
        if self._asker:
            self._asker.close()
        self._report("left", why)
        if self._is_over():
            self._witness.cancel_waiting()

    def _is_over(self) -> bool:
        """Return whether there is nothing left to do for any element."""
        return self._ledger.read_stop() is not None or len(self._ledger.list_done()) >= len(self._ledger.points)

    # --- while a trial runs

    def decide_call_off(self) -> Optional[Dict[str, object]]:
        why = self._watch.find_reason_to_stop(self._running) if self._running else ""
        return {"policy": why} if why else None

    # --- when it has ended

    def on_launch_ended(self, order: LaunchOrder, outcome: Outcome) -> None:  # noqa: ARG002
        running = self._running
        if running is None:
            return
        self._watch.report_values(running, at_end=True)
        self._ledger.leases.beat()
        trouble = candidates.is_trouble(outcome.cause, self._plan.size.nodes)
        if is_released(outcome, running.whole, self._plan.size.nodes):
            self._report("released", outcome.error if trouble else "", get_stop_reason(outcome) or outcome.cause.value)
        else:
            self._end(build_result(running, outcome, self._settings.sign))
        if trouble:
            self._record.note_trouble(time.time() - running.started)
        else:
            self._record.note_launch()
        self._running = None
        if outcome.cause in (*LETS_GO, Cause.TIME_LIMIT):
            self._report("left", outcome.cause.value)

    def _end(self, result: Result) -> None:
        """Write a result; report it to the others if it is the one that counts."""
        now = time.time()
        result = result._replace(element=self._me.element, host=self._me.host, ended=now, started=result.started or now)
        seconds = result.ended - result.started
        self._record.note_end(result.status, seconds)
        if self._ledger.finish(result):
            event = Event("ended", now, result.trial, result.attempt, value=seconds, text=result.error, status=result.status)
            self._ledger.write(event)

    def _report(self, kind: str, text: str, status: str = "") -> None:
        """Report to the others what happens to the current trial; without one, to this element."""
        self._ledger.write(build_event(kind, self._running, self._me.host, text=text)._replace(status=status))

    def conclude(self, last: Optional[Outcome]) -> Outcome:  # noqa: ARG002
        return Outcome(Cause.SCRIPT, exit_code=0)
