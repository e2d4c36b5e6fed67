"""The commands that documents show for submitting a job, on a real Slurm: each ends as shown."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus
from tests.unit.cli.documents import FILES, PROFILES, documented

from .support import Lab, envelope, findings, wait_until_ended

pytestmark = pytest.mark.slurm

ELSEWHERE = ("--pip", "--requirements", "--image", "--module", "lonestar6", "output=x", "~/tf", "--python", "--after")
"""Not tested here: software that is built elsewhere, runs that follow others, what is refused without Slurm."""
DEFAULT = {"config.yaml": "default_site: slurm\n"}
TOO_BIG = "submit train.py -s slurm -G 8"
JOBS = sorted(
    {words for _, words in documented() if words.split()[0] in ("run", "submit") and not any(one in words for one in ELSEWHERE)}
)


@pytest.fixture
def desk(lab: Lab) -> Lab:
    """Create everything that documented commands name, in the working directory."""
    settings = lab.folder / "config" / "slurmtf"
    for folder, files in ((lab.folder, FILES), (settings / "site_configs", PROFILES), (settings, DEFAULT)):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return lab


@pytest.mark.parametrize("words", JOBS)
def test_each_documented_command_runs_as_shown(words: str, desk: Lab) -> None:
    _, *args = shlex.split(words.replace("/scratch/mnist", str(desk.folder / "mnist")), comments=True)
    command = ["submit", "--json", *args]
    if words == TOO_BIG:
        assert [found["code"] for found in findings(desk.slurmtf(*command))] == ["refused"]
        return
    (state,) = wait_until_ended(Run(Path(envelope(desk.slurmtf(*command))["data"]["folder"])))
    assert state.status is RunStatus.COMPLETED, state.message


def test_the_documents_show_several_commands() -> None:
    assert len(JOBS) > 5
