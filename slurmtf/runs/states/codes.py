"""The exit code of a run whose supervisor left no word: only accounting knows it, seconds after the end. Pure."""

from __future__ import annotations

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.states.observe import Answer

CODE, UNKNOWN = "code", "unknown"
LEFT_NO_WORD = ("supervisor", "disk")
"""Who lost the end; where Slurm forgot the job, it knows no exit code either."""


def is_wanted(outcome: Outcome | None) -> bool:
    """Return whether an outcome that was written down may lack its exit code."""
    if outcome is None or outcome.cause is not Cause.LOST or CODE in outcome.detail:
        return False
    return (outcome.exit_code, outcome.signal) == (None, None) and outcome.detail.get("by") in LEFT_NO_WORD


def completed(outcome: Outcome, answer: Answer, ended_s_ago: float) -> Outcome:
    """Return such an outcome with its exit code, or with the note that nobody knows it, once nobody will."""
    seen = answer.seen
    if not answer.over or answer.outdated:
        return outcome
    if seen and (seen.exit_code, seen.signal) != (None, None):
        return outcome._replace(exit_code=seen.exit_code, signal=seen.signal)
    return outcome._replace(detail={**outcome.detail, CODE: UNKNOWN}) if answer.says_all(ended_s_ago) else outcome
