"""The second look of a run that follows others: it uses their current jobs, and is noted until it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import SlurmError
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.chains.second_look import FollowedRuns
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.scheduler.slurm import calls
from slurmtf.submit.record import note


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record the arguments of scontrol, one call a line."""
    folder, log = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    (folder / "scontrol").write_text(f'#!/bin/sh\necho "$*" >>{log}\n[ ! -e {tmp_path}/refuses ] || exit 1\n')
    (folder / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(calls, "TRIES", 1)
    log.touch()
    return log


@pytest.fixture
def follower(tmp_path: Path) -> RunLayout:
    layout = RunLayout(str(tmp_path / "lab-20260101-000000-aaaaaa"))
    Path(layout.folder).mkdir()
    note(layout, SubmittedJob(JobRef(None, "40"), "slurm", layout.folder, 1.0))
    return layout


WAITS = FollowedRuns("afterok:33,afterany:34", {"33": "/runs/a", "34": "/runs/b"})


def job(job_id: str) -> SubmittedJob:
    return SubmittedJob(JobRef(None, job_id), "slurm", "/runs/a", 1.0)


def test_a_note_is_read_as_it_was_written(follower: RunLayout) -> None:
    WAITS.note(follower)
    assert FollowedRuns.load(follower) == WAITS
    for text in ("", "[]", "{}", '{"dependency": "afterok:1", "folders": [1]}'):
        Path(follower.follows).write_text(text)
        assert FollowedRuns.load(follower) is None


@pytest.mark.parametrize(
    ("now", "updates"),
    [
        ({"/runs/a": "33", "/runs/b": "34"}, []),
        ({"/runs/a": "35", "/runs/b": "34"}, ["update jobid=40 dependency=afterok:35,afterany:34"]),
        ({"/runs/a": "33"}, []),  # nothing is known about the other one
    ],
)
def test_a_follower_waits_for_the_current_jobs(
    follower: RunLayout, scontrol: Path, now: dict[str, str], updates: list[str]
) -> None:
    WAITS.note(follower)
    WAITS.look_again(follower, lambda layout: job(now[layout.folder]) if layout.folder in now else None)
    assert scontrol.read_text().splitlines() == updates
    assert FollowedRuns.load(follower) is None


def test_a_refused_second_look_remains_due(follower: RunLayout, scontrol: Path, tmp_path: Path) -> None:
    (tmp_path / "refuses").touch()
    WAITS.note(follower)
    with pytest.raises(SlurmError):
        WAITS.look_again(follower, lambda layout: job("35"))
    assert scontrol.read_text()
    assert FollowedRuns.load(follower) == WAITS
