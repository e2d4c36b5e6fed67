"""Decide what follows a failed attempt, and what a restarted job does. No disk, no clock, no Slurm.

A decision depends on the earlier failures, the current one, the user's budgets, and what is possible here.
"""

from typing import Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..contract.attempt.events import Restart
from ..contract.attempt.journal import Attempt
from ..contract.attempt.outcome import MAY_RETURN, Cause, Outcome, parse_cause
from ..contract.life import (
    AT_MOST_MEMORY,
    END,
    LAUNCH,
    NO_MEMORY,
    NOT_POSSIBLE,
    REQUEUE,
    RESUBMIT,
    RETURN,
    SAME,
    USED,
    Budget,
)

GOES_ON = (REQUEUE, RESUBMIT, RETURN)
"""What can follow the end of a job."""
BUDGET_OF = {Cause.TASK_LOST: Cause.NODE_FAILURE}
"""Causes that use another cause's budget: a failing node takes its agents with it, often before Slurm notices."""
REPEATS = (Cause.SCRIPT, Cause.STALL, Cause.OUT_OF_MEMORY)
"""Causes that repeat unless something has changed."""


class Failure(NamedTuple):
    """A failure. ``place``: where it failed, the same text for the same failure; ``node``: the node that failed."""

    cause: Cause
    place: str = ""
    node: str = ""
    exclude: Tuple[str, ...] = ()
    memory_mb: int = 0


class Possible(NamedTuple):
    """What is possible next. ``launch``: the allocation still exists; ``in_time``: a new launch gets its full time;
    ``returns``: Slurm has requeued the job by itself."""

    launch: bool = False
    in_time: bool = False
    requeue: bool = False
    resubmit: bool = False
    returns: bool = False


class Decision(NamedTuple):
    """What comes next: see :class:`..contract.attempt.events.Restart`."""

    how: str
    why: str
    exclude: Tuple[str, ...] = ()
    memory_mb: int = 0
    number: int = 0
    at_most: Optional[int] = None


def decide(
    history: Sequence[Failure], now: Failure, budgets: Sequence[Budget], possible: Possible, memory_mb: int = 0
) -> Optional[Decision]:
    """Return what follows a failure; None if the user has set no budget for its cause. ``memory_mb``: per node, by the plan."""
    cause = BUDGET_OF.get(now.cause, now.cause)
    budget = next((one for one in budgets if one.cause == cause.value), None)
    if budget is None:
        return None
    memory = next((one.memory_mb for one in reversed(history) if one.memory_mb), memory_mb)
    wanted = _grow(memory, budget)
    exclude = tuple(sorted({node for one in history for node in one.exclude} | ({now.node} - {""})))
    why = _find_obstacle(history, now, budget, memory, wanted)
    how = "" if why else _choose_step(cause, possible, bool(now.node), wanted != memory)
    why = why or (cause.value if how else NOT_POSSIBLE)
    asked = wanted if wanted != memory_mb else 0
    avoided = exclude if how == RESUBMIT else ()
    return Decision(how or END, why, avoided, asked, len(history) + 2, count_allowed_attempts(history, budgets))


def _find_obstacle(history: Sequence[Failure], now: Failure, budget: Budget, memory: int, wanted: int) -> str:
    """Return the rule that forbids another attempt; empty if none does."""
    used = sum(BUDGET_OF.get(one.cause, one.cause).value == budget.cause for one in history)
    if budget.times is not None and used >= budget.times:
        return USED
    if now.cause in REPEATS and any((one.cause, one.place) == (now.cause, now.place) for one in history):
        return SAME
    if budget.memory > 1 and wanted == memory:
        return AT_MOST_MEMORY if memory else NO_MEMORY
    return ""


def _grow(memory_mb: int, budget: Budget) -> int:
    wanted = int(memory_mb * budget.memory)
    return max(memory_mb, min(wanted, budget.at_most) if budget.at_most else wanted)


def _choose_step(cause: Cause, possible: Possible, names_node: bool, more_memory: bool) -> str:
    """Return the smallest step that suffices; empty if none of them is possible."""
    if possible.returns:
        return RETURN
    needs_time = cause is Cause.TIME_LIMIT
    needs_nodes = cause in (Cause.PREEMPTED, Cause.NODE_FAILURE)
    if possible.launch and not more_memory and not needs_nodes and (possible.in_time or not needs_time):
        return LAUNCH
    if possible.requeue and not more_memory and not (names_node and possible.resubmit):
        return REQUEUE
    return RESUBMIT if possible.resubmit else ""


def count_allowed_attempts(history: Iterable[Failure], budgets: Sequence[Budget]) -> Optional[int]:
    """Return how many attempts there may be in all; None if unlimited. Restarts by Slurm itself, without a budget, are not
    counted."""
    times = {budget.cause: budget.times for budget in budgets}
    if not times or None in times.values():
        return None
    free = sum(BUDGET_OF.get(one.cause, one.cause).value not in times for one in history)
    return 1 + sum(count or 0 for count in times.values()) + free


def describe_place(outcome: Outcome, memory_mb: int, step: Optional[int]) -> str:
    """Return where an attempt failed: the same text if nothing has changed. ``step``: the last one that was logged."""
    if outcome.cause is Cause.OUT_OF_MEMORY:
        return "{} MiB".format(memory_mb)
    if outcome.cause not in REPEATS:
        return ""
    return outcome.error if step is None else "{} (step {})".format(outcome.error, step)


def to_failure(event: Restart) -> Failure:
    """Return the failure recorded with the decision that followed it."""
    return Failure(parse_cause(event.cause), event.place, "", tuple(map(str, event.exclude)), event.memory_mb)


def list_failures(earlier: Sequence[Attempt], job: str) -> List[Failure]:
    """Return the failures before the attempt that begins now, of the job of that name. A start by hand starts over."""
    found: List[Failure] = []
    for one, next_job in zip(earlier, [*(later.job for later in earlier[1:]), job]):
        events = [record.event for record in one.records if isinstance(record.event, Restart)]
        found += [to_failure(event) for event in events if event.how != END]
        if any(event.how in GOES_ON for event in events):
            continue
        found = [*found, infer_failure(one)] if one.job == next_job and not _has_ended(one) else []
    return found


def infer_failure(attempt: Attempt) -> Failure:
    """Return why Slurm restarted a job by itself; if an attempt recorded nothing, its node has failed."""
    return Failure(attempt.outcome.cause if attempt.outcome else Cause.NODE_FAILURE)


def was_requeued(earlier: Sequence[Attempt], job: str) -> bool:
    """Return whether Slurm has restarted the job although the last attempt recorded nothing about it."""
    last = earlier[-1] if earlier else None
    if last is None or last.job != job:
        return False
    return not any(isinstance(record.event, Restart) and record.event.how in GOES_ON for record in last.records)


def _has_ended(attempt: Attempt) -> bool:
    return attempt.outcome is not None and attempt.outcome.cause not in MAY_RETURN


def is_successor(earlier: Sequence[Attempt], job: str) -> bool:
    """Return whether a job was submitted to continue another one of the run."""
    events = (record.event for one in earlier for record in one.records)
    return any(isinstance(event, Restart) and event.job == job for event in events)


def find_success(earlier: Sequence[Attempt], job: str) -> Optional[Outcome]:
    """Return the outcome of an earlier attempt of the same job that succeeded; None if there is work to do.

    Slurm requeues a job whose batch step it lost, even if the supervisor lived on and completed the training; and a continuing
    job may have been submitted before it was known to be unnecessary. Any other job of the run, submitted again by anyone, is
    meant to train again.
    """
    names: Set[str] = {job}
    for one in reversed(earlier):
        followed = {record.event.job for record in one.records if isinstance(record.event, Restart)}
        names.update([one.job] if followed & names else [])
    outcomes = (attempt.decided for attempt in earlier if attempt.job in names)
    return next((outcome for outcome in outcomes if outcome is not None and outcome.succeeded), None)
