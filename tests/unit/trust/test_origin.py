"""The origin of profile and templates is named; the use of a project's own folder is announced in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurmtf.sites.search import find_data
from tests.patience import HANG_S

COMMAND = Path(sys.executable).parent / "slurmtf"
OURS = {"profile": "site_configs/here.yaml", "template": "templates/base.sh.j2"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A working directory with a profile, and a template that ours extends."""
    (tmp_path / "train.py").write_text("")
    for name in ("site_configs", "templates"):
        (tmp_path / ".slurmtf" / name).mkdir(parents=True)
    (tmp_path / ".slurmtf" / OURS["profile"]).write_text("extends: local\n")
    base = (find_data("templates") / "base.sh.j2").read_text()
    (tmp_path / ".slurmtf" / OURS["template"]).write_text(base)
    return tmp_path


def call(project: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(project / "runs")}
    done = subprocess.run(
        [COMMAND, *argv], cwd=project, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_origin_is_named(project: Path) -> None:
    profile = str(project / ".slurmtf" / OURS["profile"])
    templates = [str(find_data("templates") / "local.sh.j2"), str(project / ".slurmtf" / OURS["template"])]
    notice = f"used from this folder: .slurmtf/{OURS['profile']}, .slurmtf/{OURS['template']}\n"
    planned = call(project, "plan", "train.py", "-s", "here").stdout
    assert f"profile    {profile}\n" in planned
    assert f"templates  {', '.join(templates)}\n" in planned
    assert (
        f"profile: {profile}; templates: {', '.join(templates)}\n" in call(project, "render", "train.py", "-s", "here").stderr
    )
    data = json.loads(call(project, "render", "train.py", "-s", "here", "--json").stdout)["data"]
    assert (data["profile"], data["templates"]) == (profile, templates)
    assert notice in call(project, "run", "train.py", "-s", "here").stderr
    assert f"profile    {profile}\n" in call(project, "status").stdout
    data = json.loads(call(project, "status", "--json").stdout)["data"]
    assert (data["profile"], data["templates"]) == (profile, templates)
    [receipt] = project.glob("runs/*/*/receipt.json")
    facts = json.loads(receipt.read_text())
    assert (facts["site"]["profile"], facts["templates"]) == (profile, templates)


def test_the_line_is_left_out_if_nothing_is_used(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    assert "used from this folder" not in call(tmp_path, "run", "train.py", "-s", "local").stderr
