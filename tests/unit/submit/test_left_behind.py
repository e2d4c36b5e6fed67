"""What a killed submission has left: its folder goes once no job of it can come any more."""

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
from slurmtf.submit.clients import SETTLE_S
from slurmtf.submit.folder import Intent
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
    """The note of a client that was killed when the run's folder was there, and no job of it."""
    folder = tmp_path / "lab" / RUN_ID
    folder.mkdir(parents=True)
    write_json(RunLayout(str(folder)).plan, PLAN)
    found = Intent(tmp_path / ".slurmtf/intents" / f"{RUN_ID}.json", folder, dead())
    (tmp_path / ".slurmtf").mkdir(0o700)
    found.write()
    return found


@pytest.fixture
def sbatch(intent: Intent) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the run's script among its words, as an sbatch has it."""
    words = [sys.executable, "-c", "import time; print(flush=True); time.sleep(3600)", RunLayout(str(intent.folder)).script]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def age(folder: Path, seconds: float) -> None:
    os.utime(folder, (time.time() - seconds,) * 2)


@pytest.mark.parametrize(("seconds", "stays"), [(0, True), (SETTLE_S / 2, True), (SETTLE_S * 2, False)])
def test_for_a_while_its_sbatch_may_still_come_through(intent: Intent, tmp_path: Path, seconds: float, stays: bool) -> None:
    age(intent.folder, seconds)
    tidy(tmp_path)
    assert (intent.folder.exists(), intent.path.exists()) == (stays, stays)


def test_as_long_as_its_sbatch_works_it_stays(intent: Intent, tmp_path: Path, sbatch: subprocess.Popen[bytes]) -> None:
    age(intent.folder, SETTLE_S * 2)
    tidy(tmp_path)
    assert intent.folder.exists()
    sbatch.kill()
    sbatch.wait()
    age(intent.folder, SETTLE_S * 2)
    tidy(tmp_path)
    until(lambda: not intent.folder.exists(), "its removal")
    assert not intent.path.exists()
