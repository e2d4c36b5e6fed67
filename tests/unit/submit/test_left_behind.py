"""What a killed submission leaves behind: its folder is removed once no job of it can follow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.files import write_json
from slurmtf.job.contract.layout import RunLayout
from slurmtf.processes import ProcessId, identify
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.clients import SETTLE_S
from slurmtf.submit.folder import Intent
from slurmtf.submit.record import note
from slurmtf.submit.submission import tidy
from tests.patience import until

RUN_ID = "lab-20260101-000000-aaaaaa"
PLAN: dict[str, Any] = {
    "job": {"scheduler": "local"},
    "cluster": None,
    "site": "local",
    "warnings": [],
    "provenance": {"estimator": {}},
}


def dead() -> ProcessId:
    return replace(identify(os.getpid()), started=1)


@pytest.fixture
def intent(tmp_path: Path) -> Intent:
    """The note of a client that was killed when the run folder existed but no job did."""
    folder = tmp_path / "lab" / RUN_ID
    folder.mkdir(parents=True)
    write_json(RunLayout(str(folder)).plan, PLAN)
    found = Intent(tmp_path / ".slurmtf/intents" / f"{RUN_ID}.json", folder, dead())
    (tmp_path / ".slurmtf").mkdir(0o700)
    found.write()
    return found


@pytest.fixture
def sbatch(intent: Intent) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the run's script in its arguments, like an sbatch."""
    words = [sys.executable, "-c", "import time; print(flush=True); time.sleep(3600)", RunLayout(str(intent.folder)).script]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def age(folder: Path, seconds: float) -> None:
    os.utime(folder, (time.time() - seconds,) * 2)


@pytest.mark.parametrize(
    ("seconds", "has_job", "stays", "is_noted"),
    [
        (0, False, True, True),  # an sbatch that outlived its client may still submit it
        (SETTLE_S / 2, False, True, True),
        (SETTLE_S * 2, False, False, False),
        (0, True, True, False),
        (SETTLE_S * 2, True, True, False),
    ],
)
def test_a_folder_is_kept_if_it_has_a_job_or_may_still_get_one(
    intent: Intent, tmp_path: Path, seconds: float, has_job: bool, stays: bool, is_noted: bool
) -> None:
    if has_job:
        folder = str(intent.folder)
        note(RunLayout(folder), SubmittedJob(JobRef(None, "7"), "local", folder, 1.0))
    age(intent.folder, seconds)
    tidy(tmp_path)
    assert (intent.folder.exists(), intent.path.exists()) == (stays, is_noted)


def test_a_folder_is_kept_while_its_sbatch_is_running(intent: Intent, tmp_path: Path, sbatch: subprocess.Popen[bytes]) -> None:
    age(intent.folder, SETTLE_S * 2)
    tidy(tmp_path)
    assert intent.folder.exists()
    sbatch.kill()
    sbatch.wait()
    age(intent.folder, SETTLE_S * 2)
    tidy(tmp_path)
    until(lambda: not intent.folder.exists(), "its removal")
    assert not intent.path.exists()
