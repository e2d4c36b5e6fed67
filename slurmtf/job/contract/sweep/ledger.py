"""Which owner works on which trial of a sweep, and how the trials ended. Files only: no lock that a dead process could hold.

    sweep/leases/<trial>.<attempt>   a hard link to its owner's file: the first to link it has the trial (link(2) is atomic on
    NFS too)
    sweep/leases/owner.<element>.x   an owner: one start of one element. Its modification time is its leases' heartbeat
    sweep/results/<trial>.json       how the trial ended: linked, so that the first writer wins and no reader sees half a file
    sweep/elements/<element>.jsonl   what an element did and what its trials logged: append-only, one writer

The highest attempt of a trial counts; an owner that has been superseded writes no result. A link and its target are in the same
folder, because BeeGFS supports no others.
"""

import json
import os
from typing import Dict, List, Optional, Set, Tuple

from ..system.private import make_private
from . import once, reports
from .leases import Leases, Owner
from .points import Points
from .records import EarlierTrial, Event, Result, Settings, SweepLayout, from_json, read_earlier, read_settings


class Ledger:
    """A sweep's files, as seen by one process. Reading needs no :meth:`join`. ``curves``: whether to read the trials' values of
    the primary metric too. Raises OSError or ValueError if the files can't be read."""

    def __init__(self, layout: SweepLayout, curves: bool = True) -> None:
        self.layout = layout
        self.settings: Settings = read_settings(layout.settings)
        self.points = Points(layout)
        self.earlier: List[EarlierTrial] = read_earlier(layout.earlier)
        self.leases = Leases(layout)
        self.reports = reports.Reports(layout.elements, curves)
        self._own_events = ""

    def join(self, owner: Owner, now: float) -> None:
        """Begin to work, as one start of an element. Raises OSError."""
        for folder in (self.layout.results, self.layout.elements, self.layout.asked):
            make_private(folder)
        self.leases.join(owner)
        self._own_events = os.path.join(self.layout.elements, owner.element + ".jsonl")
        self.write(Event("started", now, host=owner.host, text=owner.job))

    def write(self, *events: Event) -> None:
        """Record events for the other elements. Raises OSError."""
        reports.append(self._own_events, *events)

    def collect_curves(self) -> Dict[int, List[float]]:
        """Return the values of the primary metric of each trial; trials of other sweeps have numbers below 0."""
        before = {-number: list(one.curve) for number, one in enumerate(self.earlier, 1)}
        return {**before, **{number: trial.curve for number, trial in self.reports.trials.items()}}

    def list_fresh(self) -> List[int]:
        """Return the trials that are not known to be taken, without listing a folder. Claiming one that was taken meanwhile
        fails."""
        known = self.leases.taken.union(self.reports.trials)
        return [trial for trial in range(len(self.points)) if trial not in known]

    def list_done(self) -> Set[int]:
        """Return the trials that have a result."""
        return {int(name[: -len(".json")]) for name in once.list_names(self.layout.results) if name[0].isdigit()}

    def result(self, trial: int) -> Optional[Result]:
        """Return how a trial ended; None if it has not ended, or its result can't be read."""
        try:
            with open(self.layout.result(trial), encoding="utf-8") as file:
                return from_json(Result, json.load(file))
        except (OSError, ValueError):
            return None

    def holds(self, trial: int, attempt: int) -> bool:
        """Return whether a trial that we took is still ours: it has not been taken over and has no result."""
        return not (self.leases.is_superseded(trial, attempt) or os.path.exists(self.layout.result(trial)))

    def finish(self, result: Result) -> bool:
        """Record how a trial ended, unless it is no longer ours; return whether this is its result. Raises OSError."""
        if not self.holds(result.trial, result.attempt):
            return False
        return once.publish(result.to_dict(), self.layout.result(result.trial))

    def read_stop(self) -> Optional[Dict[str, object]]:
        """Return why no more trials are started; None if they are."""
        try:
            with open(self.layout.stopped, encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {"why": "unreadable"}
        return found if isinstance(found, dict) else {"why": "unreadable"}

    def stop(self, facts: Dict[str, object]) -> bool:
        """Stop the sweep from starting trials; return whether we are the first to do so. Raises OSError."""
        return once.publish(facts, self.layout.stopped)


def split_trials(ledger: Ledger) -> Tuple[Set[int], Dict[int, int]]:
    """Return the trials that have a result, and the last attempts of those that are taken but have none."""
    attempts = ledger.leases.read_attempts()
    done = ledger.list_done()
    return done, {trial: attempt for trial, attempt in attempts.items() if trial not in done}
