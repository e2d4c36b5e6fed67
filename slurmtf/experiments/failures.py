"""Choose the exception for a failed run: one class for each cause, so that callers can distinguish them."""

from __future__ import annotations

from slurmtf import errors
from slurmtf.errors import RunFailedError
from slurmtf.job.contract.attempt.outcome import Cause

ERRORS: dict[Cause, type[RunFailedError]] = {
    Cause.SCRIPT: errors.ScriptFailedError,
    Cause.STRAGGLER: errors.RunStalledError,
    Cause.STALL: errors.RunStalledError,
    Cause.TASK_LOST: errors.RunLostError,
    Cause.LOST: errors.RunLostError,
    Cause.NOT_CONNECTED: errors.LaunchFailedError,
    Cause.LAUNCHER: errors.LaunchFailedError,
    Cause.AGENT: errors.LaunchFailedError,
    Cause.NOT_STARTED: errors.LaunchFailedError,
    Cause.STAGING: errors.StagingFailedError,
    Cause.RESULTS: errors.StagingFailedError,
    Cause.TIME_LIMIT: errors.TimeLimitError,
    Cause.CANCELED: errors.RunCanceledError,
    Cause.CALLED_OFF: errors.RunCanceledError,
    Cause.PREEMPTED: errors.PreemptedError,
    Cause.REQUEUED: errors.PreemptedError,
    Cause.NODE_FAILURE: errors.NodeFailedError,
    Cause.OUT_OF_MEMORY: errors.OutOfMemoryError,
    Cause.DEPENDENCY: errors.DependencyFailedError,
    Cause.SOFTWARE: errors.BuildFailedError,
}


def get_error_class(cause: Cause | None) -> type[RunFailedError]:
    """Return the exception class of a cause; for an unknown cause, their base class."""
    return ERRORS.get(cause, RunFailedError) if cause else RunFailedError
