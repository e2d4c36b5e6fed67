"""Where runs are searched, and names that mean no run or several."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import RunNotFoundError
from slurmtf.runs.workspaces.workspace import find_run, list_workspaces
from tests.unit.support import refusing

from .test_workspace import run_in


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SLURMTF_WORKSPACE", "SLURMTF_SITE", "SLURMTF_SITE_PATH", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    profiles = tmp_path / ".config/slurmtf/site_configs"
    profiles.mkdir(parents=True)
    (profiles / "mine.yaml").write_text(f"extends: slurm\nstorage: {{workspace: {tmp_path}/scratch}}\n")
    (profiles / "unset.yaml").write_text("extends: slurm\nstorage: {workspace: $NOWHERE/runs}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("", ["slurmtf-runs"]),
        ("local", ["slurmtf-runs"]),
        ("mine", ["scratch", "slurmtf-runs"]),
        ("slurm", ["slurmtf-runs"]),
        ("unset", ["slurmtf-runs"]),  # runs can be read without the profile that started them
        ("nosuch", ["slurmtf-runs"]),
    ],
)
@pytest.mark.parametrize("by", ["variable", "file"])
def test_workspaces_of_the_default_site_and_of_this_machine_are_searched(
    home: Path, monkeypatch: pytest.MonkeyPatch, site: str, expected: list[str], by: str
) -> None:
    if site and by == "variable":
        monkeypatch.setenv("SLURMTF_SITE", site)
    elif site:
        (home / ".config/slurmtf/config.yaml").write_text(f"default_site: {site}\n")
    assert list_workspaces() == [home / name for name in expected]
    assert list_workspaces(home / "other") == [home / "other"]
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(home / "named"))
    assert list_workspaces() == [home / "named"]


def test_a_name_that_means_no_run_or_several_is_refused(tmp_path: Path) -> None:
    with refusing(RunNotFoundError, "no-runs", str(tmp_path)):
        find_run("last", [tmp_path])
    first = run_in(tmp_path, "lab-20260101-120000-aaaaaa")
    with refusing(RunNotFoundError, "unknown-run"):
        find_run("nosuch", [tmp_path])
    run_in(tmp_path, "lab-20260101-130000-baaaaa")
    with refusing(RunNotFoundError, "ambiguous-run", "2 runs"):
        find_run("aaaaa", [tmp_path])
    assert find_run("0-aaaaaa", [tmp_path]) == first
