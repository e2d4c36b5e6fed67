"""Choose the trial that an element works on next, and decide when a sweep or an element gives up. Pure: no disk, no clock."""

from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..contract.attempt.outcome import MAY_RETURN, Cause
from ..contract.sweep.records import COMPLETED, FAILED, Event, is_same_error

RUNS, WAITS, GONE, UNKNOWN = "runs", "waits", "gone", "unknown"
"""The state, according to Slurm, of the job of a trial's owner."""
RETURNING = tuple(cause.value for cause in MAY_RETURN)
MOST_LOST = 5
"""How many owners may be lost with a trial before the trial itself counts as the reason."""
TROUBLES = (Cause.LAUNCHER, Cause.NOT_CONNECTED, Cause.STAGING)
"""Causes that are not the script's: the node, the network or Slurm. Another element may succeed with the trial."""
PAUSES_S = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds that an element waits after one, two and more such failures in a row; the last value holds from then on."""
QUICK_S = 60.0
"""A failure within fewer seconds is a quick one."""


class HeldTrial(NamedTuple):
    """A trial that was taken but has no result. ``ours``: an earlier start of this element had it; ``stale``: its owner shows
    no sign of life; ``job``: the state of the owner's job; ``released``: the cause for which the owner released it (empty: it
    has not); ``lost``: the number of owners that were lost with it."""

    trial: int
    attempt: int
    ours: bool = False
    stale: bool = False
    job: str = UNKNOWN
    released: str = ""
    lost: int = 0

    @property
    def is_orphan(self) -> bool:
        """Whether nobody will continue it."""
        return (self.stale and self.job == GONE) or (self.released != "" and self.released not in RETURNING)

    @property
    def waits(self) -> bool:
        """Whether its owner's job waits to be restarted."""
        return self.released in RETURNING or (self.stale and self.job == WAITS)


def is_trouble(cause: Cause, nodes: int) -> bool:
    """Return whether a launch failed for a reason other than its script.

    A task that is lost on a single node was killed there, for lack of memory or by hand; with several nodes, one has died.
    """
    return cause in TROUBLES or (cause is Cause.TASK_LOST and nodes > 1)


def count_losses(attempt: int, released: Iterable[str]) -> int:
    """Return how many owners were lost with a trial, including this one; owners that released it properly do not count."""
    troubles = (*(cause.value for cause in TROUBLES), Cause.TASK_LOST.value)
    return attempt + 1 - sum(cause not in troubles for cause in released)


def compute_pause(troubles: int) -> float:
    """Return the seconds that an element waits after this many such failures in a row."""
    return PAUSES_S[min(troubles, len(PAUSES_S)) - 1] if troubles else 0.0


def rank_candidates(fresh: Sequence[Tuple[int, int]], held: Sequence[HeldTrial]) -> List[Tuple[int, int]]:
    """Return trials with the number of their next attempt, in order of preference: those that we had, those that nobody
    continues, those that nobody has taken (``fresh``), and finally those that wait for their owner to return."""
    ours = [one for one in held if one.ours]
    orphans = [one for one in held if not one.ours and one.is_orphan]
    waiting = [one for one in held if not one.ours and not one.is_orphan and one.waits]
    return [*_list_next_attempts(ours), *_list_next_attempts(orphans), *fresh, *_list_next_attempts(waiting)]


def spread(fresh: Sequence[int], number: int, concurrent: int) -> List[Tuple[int, int]]:
    """Return untaken trials with their first attempt, in the order in which number ``number`` of ``concurrent`` workers tries
    them: each begins with a different one of the next trials, so that they seldom want the same."""
    count = max(1, concurrent)
    following = sorted(fresh[:count], key=lambda trial: ((trial - number) % count, trial))
    return [(trial, 0) for trial in (*following, *fresh[count:])]


def _list_next_attempts(held: Iterable[HeldTrial]) -> List[Tuple[int, int]]:
    return [(one.trial, one.attempt + 1) for one in held]


def find_common_error(ends: Sequence[Event], count: int) -> Optional[str]:
    """Return the error with which all of the first ``count`` trials failed; None if they did not fail alike."""
    first = sorted(ends, key=lambda end: end.time)[:count]
    if count <= 0 or len(first) < count or any(end.status != FAILED for end in first):
        return None
    return first[0].text if all(is_same_error(end.text, first[0].text) for end in first) else None


def should_retire(outcomes: Sequence[Tuple[str, float]], limit: int) -> bool:
    """Return whether an element gives up because its last ``limit`` trials (status, seconds) failed quickly."""
    last = outcomes[-limit:] if limit > 0 else []
    return len(last) == limit > 0 and all(status == FAILED and seconds < QUICK_S for status, seconds in last)


def is_too_short(left_s: Optional[float], durations: Sequence[Tuple[str, float]], has_run: bool) -> bool:
    """Return whether the time until the limit is too short for another trial, judged by the median of the completed ones.

    An element that has not run any yet has all the time that there is: it tries one.
    """
    if left_s is None or not has_run:
        return False
    known = sorted(seconds for status, seconds in durations if status == COMPLETED)
    return bool(known) and left_s < known[len(known) // 2] * 1.1
