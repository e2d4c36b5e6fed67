"""The command line without Slurm, and a project to call it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.support import CommandLine


@pytest.fixture
def slurmtf(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory with a script, and its own home and PATH without Slurm and profiles."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text("print('training')\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(tmp_path / "runs"))
    for name in ("SLURMTF_SITE", "SLURMTF_SITE_PATH", "SLURMTF_TEMPLATE_PATH", "SLURMTF_ENVIRONMENTS", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder
