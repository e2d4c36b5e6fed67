"""What is left of a run whose job could not be submitted: nothing if there is no job, everything if there may be one."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import RefusedError, SlurmError, SlurmtfError, UnreachableError, WorkspaceError
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan.model import RunPlace
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.scheduler.local import LocalScheduler
from slurmtf.scheduler.slurm.scheduler import SlurmScheduler
from slurmtf.snapshot import collect
from slurmtf.snapshot.identity import Snapshot
from slurmtf.submit import submission
from slurmtf.submit.folder import Intent
from slurmtf.submit.record import note
from tests.unit.support import planned, tells

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("fault", "ends_unnoted", "noted", "raised", "left"),
    [
        (RefusedError(Finding("told", "sbatch", "no such partition")), False, False, RefusedError, False),
        (UnreachableError(Finding("told", "sbatch", "no controller")), False, False, UnreachableError, False),
        (SlurmError(Finding("told", "sbatch", "no answer")), False, False, SlurmError, True),
        (FULL, False, False, WorkspaceError, True),  # Slurm has the job, although it could not be recorded
        (FULL, True, False, WorkspaceError, False),
        (FULL, True, True, WorkspaceError, True),
    ],
)
def test_what_is_left(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    ends_unnoted: bool,
    noted: bool,
    raised: type[SlurmtfError],
    left: bool,
) -> None:
    plan = replace(planned(source), run=RunPlace(str(tmp_path), "digits", "run"))
    layout = RunLayout(plan.run.folder)
    removed: list[Intent] = []

    def fail(*_: Any, **__: Any) -> None:
        if noted:
            Path(layout.folder).mkdir(parents=True)
            note(layout, SubmittedJob(JobRef(None, "1"), "local", layout.folder, 1.0))
        raise fault

    scheduler = LocalScheduler() if ends_unnoted else SlurmScheduler()
    monkeypatch.setattr(scheduler, "submit", fail)
    monkeypatch.setattr(submission, "require_scheduler", lambda plan: scheduler)
    monkeypatch.setattr(submission, "build", lambda *_: layout)
    monkeypatch.setattr(submission, "_undo", removed.append)
    with pytest.raises(raised) as caught:
        submission.submit(submission.Submission(plan, "", Snapshot(collect(source), {}, {}), {}))
    assert bool(removed) is not left
    assert any(tells(one, "slurmtf status run") for one in caught.value.findings) is (raised is SlurmError)
