"""What `resume_from` means: a folder, a run, the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import SpecError
from slurmtf.experiments.resuming import resolve_resume_folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for number in (1, 2):
        outputs = tmp_path / f"space/mnist/mnist-20260101-00000{number}-aaaaa{number}/outputs"
        outputs.mkdir(parents=True)
        (outputs.parent / "plan.json").write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "space"


def test_a_folder_or_a_run_can_be_resumed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = (workspace / f"mnist/mnist-20260101-00000{number}-aaaaa{number}" for number in (1, 2))
    monkeypatch.chdir(workspace.parent)
    found = {
        given: resolve_resume_folder(given, workspace) for given in ("checkpoints", str(first), first.name, "aaaaa1", "last")
    }
    assert found == {
        "checkpoints": str(workspace.parent / "checkpoints"),
        str(first): str(first / "outputs"),
        first.name: str(first / "outputs"),
        "aaaaa1": str(first / "outputs"),
        "last": str(last / "outputs"),
    }


@pytest.mark.parametrize("given", ["nothing", "./nothing", "/nothing/at/all"])
def test_other_values_are_refused(workspace: Path, given: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolve_resume_folder(given, workspace)
    assert [(finding.code, finding.where) for finding in caught.value.findings] == [("nothing-to-resume", "resume_from")]
