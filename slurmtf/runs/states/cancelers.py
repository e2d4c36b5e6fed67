"""Determine who canceled a run, as facts of an outcome (see contract/attempt/outcome.py), by source. Pure."""

from __future__ import annotations

from slurmtf.job.contract.attempt.outcome import CanceledBy, Cause, Outcome
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import CancelRequest
from slurmtf.scheduler.base import Canceler

Facts = dict[str, object]


def is_wanted(outcome: Outcome | None) -> bool:
    """Return whether an outcome does not yet say who canceled the run."""
    return outcome is not None and outcome.cause is Cause.CANCELED and "by" not in outcome.detail


def infer_from_request(request: CancelRequest | None, canceler: Canceler | None = None) -> Facts:
    """Return the facts in the run's own note that slurmtf was asked to cancel it.

    Empty if the scheduler names another user: that request had no effect, and somebody else ended the run later.
    """
    named = canceler.uid if canceler else None
    if request is None or (None not in (named, request.uid) and named != request.uid):
        return {}
    who = {"user": request.user, "uid": request.uid, "host": request.host, "time": request.time}
    return {"by": CanceledBy.SLURMTF.value, **who}


def infer_from_scheduler(canceler: Canceler | None) -> Facts:
    """Return the facts that the scheduler knows."""
    if canceler is None:
        return {}
    if canceler.uid is None:
        return {"by": CanceledBy.SLURM.value}
    by = CanceledBy.OWNER if canceler.is_owner else CanceledBy.OTHER
    return {"by": by.value, "user": canceler.user, "uid": canceler.uid}


def infer_from_record(outcome: Outcome | None) -> Facts:
    """Return the facts that were recorded about the same end."""
    return dict(outcome.detail) if outcome and outcome.cause is Cause.CANCELED and "by" in outcome.detail else {}


def infer_unknown(answer: Answer, ended_s_ago: float) -> Facts:
    """Return that the canceler is unknown, once the scheduler has answered and will not say more; until then, nothing."""
    return {"by": CanceledBy.UNKNOWN.value} if answer.is_conclusive(ended_s_ago) else {}
