"""What is left of a run whose job could not be submitted: nothing if there is no job, everything if there may be one."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slurmtf.errors import RefusedError, SlurmError, SlurmtfError, UnreachableError, WorkspaceError
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit import submission
from slurmtf.submit.folder import Intent
from slurmtf.submit.record import note
from tests.unit.support import tells

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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    ends_unnoted: bool,
    noted: bool,
    raised: type[SlurmtfError],
    left: bool,
) -> None:
    layout = RunLayout(str(tmp_path / "run"))
    removed: list[Any] = []

    def fail(*_: Any, **__: Any) -> None:
        if noted:
            Path(layout.folder).mkdir()
            note(layout, SubmittedJob(JobRef(None, "1"), "local", layout.folder, 1.0))
        raise fault

    scheduler = SimpleNamespace(submit=fail, ends_unnoted=ends_unnoted)
    plan: Any = SimpleNamespace(run=SimpleNamespace(workspace=str(tmp_path)))
    monkeypatch.setattr(submission, "require_scheduler", lambda plan: scheduler)
    monkeypatch.setattr(submission, "build", lambda *_: layout)
    monkeypatch.setattr(Intent, "from_plan", lambda plan: SimpleNamespace(folder=tmp_path / "run"))
    monkeypatch.setattr(submission, "_undo", removed.append)
    source: Any = None
    with pytest.raises(raised) as caught:
        submission.submit(submission.Submission(plan, "", source, {}))
    assert bool(removed) is not left
    assert any(tells(one, "slurmtf status run") for one in caught.value.findings) is (raised is SlurmError)
