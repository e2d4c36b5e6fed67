"""An error for each cause."""

from __future__ import annotations

import pytest

from slurmtf import errors
from slurmtf.errors import RunFailedError
from slurmtf.experiments.failures import ERRORS, get_error_class
from slurmtf.job.contract.attempt.outcome import Cause

ROWS: list[tuple[Cause | None, type[RunFailedError]]] = [
    (Cause.SCRIPT, errors.ScriptFailedError),
    (Cause.STRAGGLER, errors.RunStalledError),
    (Cause.STALL, errors.RunStalledError),
    (Cause.NOT_CONNECTED, errors.LaunchFailedError),
    (Cause.LAUNCHER, errors.LaunchFailedError),
    (Cause.AGENT, errors.LaunchFailedError),
    (Cause.NOT_STARTED, errors.LaunchFailedError),
    (Cause.TASK_LOST, errors.RunLostError),
    (Cause.LOST, errors.RunLostError),
    (Cause.STAGING, errors.StagingFailedError),
    (Cause.RESULTS, errors.StagingFailedError),
    (Cause.TIME_LIMIT, errors.TimeLimitError),
    (Cause.CANCELED, errors.RunCanceledError),
    (Cause.CALLED_OFF, errors.RunCanceledError),
    (Cause.PREEMPTED, errors.PreemptedError),
    (Cause.REQUEUED, errors.PreemptedError),
    (Cause.NODE_FAILURE, errors.NodeFailedError),
    (Cause.OUT_OF_MEMORY, errors.OutOfMemoryError),
    (Cause.DEPENDENCY, errors.DependencyFailedError),
    (Cause.SOFTWARE, errors.BuildFailedError),
    (Cause.UNKNOWN, RunFailedError),
    (None, RunFailedError),
]


@pytest.mark.parametrize(("cause", "kind"), ROWS)
def test_each_cause_raises_its_error(cause: Cause | None, kind: type[RunFailedError]) -> None:
    assert get_error_class(cause) is kind
    assert issubclass(kind, RunFailedError)


def test_every_cause_has_an_error() -> None:
    assert {cause for cause, _ in ROWS} == {*Cause, None}
    assert {*ERRORS, Cause.UNKNOWN} == set(Cause)
