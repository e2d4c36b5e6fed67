"""Add the exit code of a run whose supervisor did not record its end: only accounting has it, seconds later. Pure."""

from __future__ import annotations

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.states.observe import Answer

CODE, UNKNOWN = "code", "unknown"
LEFT_NO_WORD = ("supervisor", "disk")
"""The values of ``by`` for which accounting may have the exit code; if Slurm forgot the job, it has none either."""


def is_wanted(outcome: Outcome | None) -> bool:
    """Return whether a recorded outcome may lack its exit code."""
    if outcome is None or outcome.cause is not Cause.LOST or CODE in outcome.detail:
        return False
    return (outcome.exit_code, outcome.signal) == (None, None) and outcome.detail.get("by") in LEFT_NO_WORD


def add_exit_code(outcome: Outcome, answer: Answer, ended_s_ago: float) -> Outcome:
    """Return such an outcome with its exit code, or marked as unknown once the scheduler will not say more."""
    seen = answer.observation
    if not answer.over or answer.outdated:
        return outcome
    if seen and (seen.exit_code, seen.signal) != (None, None):
        return outcome._replace(exit_code=seen.exit_code, signal=seen.signal)
    return outcome._replace(detail={**outcome.detail, CODE: UNKNOWN}) if answer.is_conclusive(ended_s_ago) else outcome
