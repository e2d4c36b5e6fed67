"""Waiting for a failed run raises the error of its cause: each cause, as the run folder shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf import Run
from slurmtf.errors import RunFailedError
from slurmtf.experiments.failures import get_error_class
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.records import note_end
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import note

KNOWN = {Cause.CANCELED: {"by": "unknown"}, Cause.UNKNOWN: {"cause": "unknown"}}


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELED])
def test_an_incomplete_run_raises_the_error_of_its_cause(tmp_path: Path, cause: Cause, status: RunStatus) -> None:
    layout = RunLayout(str(tmp_path / "lab" / "lab-1"))
    Path(layout.folder).mkdir(parents=True)
    Path(layout.plan).write_text("{}")
    job = SubmittedJob(JobRef(None, "12"), "slurm", layout.folder, 1000.0, "submitted")
    note(layout, job)
    outcome = Outcome(cause, task="main-0", exit_code=3, detail=KNOWN.get(cause, {}))
    note_end(layout, RunState(status, job.ref, outcome=outcome))
    with pytest.raises(RunFailedError) as raised:
        Run(layout.folder).wait_for_completion()
    assert type(raised.value) is get_error_class(cause)
    assert raised.value.outcome == outcome
    assert [finding.where for finding in raised.value.findings] == ["lab-1"]
