"""Take an element's next trial: one that nobody has had, or whose element is gone; and decide whether to wait for one."""

import time
from typing import Dict, Iterator, List, NamedTuple, Optional, Union

from ..contract.sweep.leases import STALE_S, Lease, Owner
from ..contract.sweep.ledger import Ledger, split_trials
from . import candidates
from .witness import LocalWitness, SlurmWitness

BEAT_S = 10.0
"""Seconds between two signs of life of an element that has a trial."""
SILENT_S = 2 * BEAT_S
LOOK_S = 5.0
"""Seconds between two looks at the other elements, while there are untaken trials: each reads their files, lists two folders
and checks every lease, which takes longer the more of them there are."""
LINGER_S = 60.0
"""Seconds that an element without work stays while others work, to take over what they may leave behind."""


class TakenTrial(NamedTuple):
    """A trial that is ours now. ``lost``: the error with which it must fail because it was lost with too many elements."""

    trial: int
    attempt: int
    lost: str = ""


class Taker:
    """Takes trials for one element: number ``number`` of the ``concurrent`` ones that work at once."""

    def __init__(
        self, ledger: Ledger, me: Owner, witness: Union[LocalWitness, SlurmWitness], number: int, concurrent: int
    ) -> None:
        self._ledger = ledger
        self._me = me
        self._witness = witness
        self._number = number
        self._concurrent = concurrent
        self._next_look = 0.0
        self._idle_since: Optional[float] = None

    def is_due(self) -> bool:
        """Return whether it is time to look at the trials that others hold, too."""
        return time.monotonic() >= self._next_look or not self._ledger.list_fresh()

    def take(self, looks: bool) -> Iterator[TakenTrial]:
        """Take and yield one trial after the other; ``looks``: consider those that others hold, too."""
        held = self._list_held(split_trials(self._ledger)[1]) if looks else []
        self._next_look = time.monotonic() + LOOK_S if looks else self._next_look
        fresh = candidates.spread(self._ledger.list_fresh(), self._number, self._concurrent)
        lost = {one.trial for one in held if one.lost >= candidates.MOST_LOST and (one.released or not one.ours)}
        for trial, attempt in candidates.rank_candidates(fresh, held):
            if self._ledger.leases.claim(trial, attempt):
                self._idle_since = None
                yield TakenTrial(trial, attempt, self._describe_loss(trial) if trial in lost else "")

    def should_wait(self) -> bool:
        """Return whether trials that others work on may become free."""
        held = split_trials(self._ledger)[1]
        if not held:
            return False
        self._idle_since = self._idle_since or time.monotonic()
        return time.monotonic() - self._idle_since < LINGER_S or self._may_come_free(held)

    def _may_come_free(self, held: Dict[int, int]) -> bool:
        """Return whether an owner shows no sign of life, and it is not known yet whether its job still runs."""
        ages = [lease.age for lease in self._ledger.leases.read_leases(held) if not self._ledger.leases.is_ours(lease)]
        return any(SILENT_S < age < SILENT_S + LINGER_S for age in ages)

    def _describe_loss(self, trial: int) -> str:
        reported = self._ledger.reports.trials.get(trial)
        return (reported.trouble if reported else "") or "lost with {} elements".format(candidates.MOST_LOST)

    def _list_held(self, attempts: Dict[int, int]) -> List[candidates.HeldTrial]:
        known = self._ledger.leases.read_leases(attempts)
        leases = [lease for lease in known if self._get_release_cause(lease) or not self._ledger.leases.is_ours(lease)]
        silent = [lease for lease in leases if lease.age > STALE_S and not self._get_release_cause(lease)]
        states = self._witness.find_states([lease.owner for lease in silent if lease.owner.element != self._me.element])
        return [self._build_held(lease, states.get(lease.owner.job, candidates.UNKNOWN)) for lease in leases]

    def _get_release_cause(self, lease: Lease) -> str:
        trial = self._ledger.reports.trials.get(lease.trial)
        return trial.released.get(lease.attempt, "") if trial else ""

    def _build_held(self, lease: Lease, job: str) -> candidates.HeldTrial:
        trial = self._ledger.reports.trials.get(lease.trial)
        lost = candidates.count_losses(lease.attempt, trial.released.values() if trial else ())
        ours = lease.owner.element == self._me.element
        return candidates.HeldTrial(
            lease.trial, lease.attempt, ours, lease.age > STALE_S, job, self._get_release_cause(lease), lost
        )
