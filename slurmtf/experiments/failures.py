"""The exception for a failed run: one class for each cause, so that callers can distinguish them."""

from __future__ import annotations

from slurmtf import errors
from slurmtf.errors import RunFailedError
from slurmtf.findings import Finding
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.states.state import RunState

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


def build_error(run: RunFolder, state: RunState) -> RunFailedError:
    """Return the exception for a run that did not complete, with its outcome."""
    error = get_error_class(state.cause)(describe_failure(run, state))
    error.outcome = state.outcome
    return error


def describe_failure(run: RunFolder, state: RunState) -> Finding:
    """Return why a run did not complete, and where to read more."""
    what = f"{state.status.value}: {state.message or 'no reason is known'}"
    return Finding("run-failed", run.id, what, f"the logs are in {run.folder / 'logs'}: slurmtf logs {run.word}")
