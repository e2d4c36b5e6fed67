"""An error for each cause."""

from __future__ import annotations

import pytest

from slurmtf import errors
from slurmtf.errors import RunFailedError
from slurmtf.job.contract.outcome import Cause
from slurmtf.runs.failures import ERRORS, error_of

ROWS = [
    (Cause.SCRIPT, errors.ScriptFailedError),
    (Cause.OUT_OF_MEMORY, errors.OutOfMemoryError),
    (Cause.TIME_LIMIT, errors.TimeLimitError),
    (Cause.PREEMPTED, errors.PreemptedError),
    (Cause.NODE_FAILURE, errors.NodeFailedError),
    (Cause.CANCELED, errors.RunCanceledError),
    (Cause.STALL, errors.RunStalledError),
    (Cause.LAUNCHER, errors.LaunchFailedError),
    (Cause.STAGING, errors.StagingFailedError),
    (Cause.DEPENDENCY, errors.DependencyFailedError),
    (Cause.SOFTWARE, errors.BuildFailedError),
    (Cause.LOST, errors.RunLostError),
    (Cause.UNKNOWN, RunFailedError),
    (None, RunFailedError),
]


@pytest.mark.parametrize(("cause", "kind"), ROWS)
def test_which_error(cause: Cause | None, kind: type[RunFailedError]) -> None:
    assert error_of(cause) is kind
    assert issubclass(kind, RunFailedError)


def test_every_cause_has_one() -> None:
    assert {*ERRORS, Cause.UNKNOWN} == set(Cause)
