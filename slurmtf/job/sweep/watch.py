"""Watch a running trial: report its values, and decide whether it is stopped."""

import time

from ..contract.sweep.ledger import Ledger
from ..contract.sweep.records import BY_DURATION, BY_POLICY, Settings
from . import policies
from .running import TAKEN_OVER, Running, build_event
from .taking import BEAT_S

STOPPED = "stopped"


class Watch:
    """The watch over an element's trials, one after the other. ``host`` is the element's."""

    def __init__(self, ledger: Ledger, settings: Settings, host: str) -> None:
        self._ledger = ledger
        self._settings = settings
        self._host = host
        self._next_beat = 0.0

    def find_reason_to_stop(self, running: Running) -> str:
        """Report what the trial has logged; return why to stop it, empty if it may continue."""
        return self.report_values(running) or self._look(running)

    def report_values(self, running: Running, at_end: bool = False) -> str:
        """Record for the others what the trial has logged; return the policy that stops it, empty if none does."""
        known = len(running.progress.values)
        new = running.progress.read_new(at_end)
        if not new:
            return ""
        self._ledger.write(*(build_event("value", running, self._host, known + n, value) for n, value in enumerate(new, 1)))
        if self._settings.stopping.kind == "none":
            return ""
        self._ledger.reports.refresh()
        values, curves = running.progress.values, self._ledger.collect_curves()
        for end in range(known + 1, len(values) + 1):
            curves[running.trial] = values[:end]
            if policies.should_stop(self._settings.stopping, self._settings.sign, running.trial, curves):
                return BY_POLICY
        return ""

    def _look(self, running: Running) -> str:
        """Give a sign of life, and look for what stops the trial whatever it logs."""
        if time.monotonic() < self._next_beat:
            return ""
        self._next_beat = time.monotonic() + BEAT_S
        self._ledger.leases.beat()
        if time.time() >= self._settings.deadline:
            return BY_DURATION
        if not self._ledger.holds(running.trial, running.attempt):
            return TAKEN_OVER
        return STOPPED if self._ledger.read_stop() is not None else ""
