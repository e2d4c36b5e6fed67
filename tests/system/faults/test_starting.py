"""slurmctld falls silent, or is killed and comes back, just as jobs start, before their supervisors run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus
from tests.cluster import Cluster
from tests.patience import until
from tests.system.slurm.support import HELLO, Lab, log, read_journal, wait_until_ended

from .support import Faults

pytestmark = pytest.mark.slurm

SILENCE_S = 25
"""Longer than Slurm's commands wait for an answer here (MessageTimeout)."""
PROFILE = """
extends: slurm
environment:
  prologue:
  - touch "$RUN/outputs/starts"
  - 'while [ ! -e {gate} ]; do sleep 0.1; done'
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def starting(faults: Faults, folder: Path, gate: Path) -> list[Run]:
    """Submit runs, and wait until their batch scripts have begun. Their supervisors wait for the gate."""
    profile = folder / "gated.yaml"
    profile.write_text(PROFILE.format(gate=gate))
    lab = Lab(folder, str(profile))
    runs = [lab.submit(HELLO, launcher=launcher) for launcher in ("srun", "none", "spawn")]
    for run in runs:
        until((run.folder / "outputs/starts").exists, f"the start of {run.id}")
    return runs


def assert_started_once(runs: list[Run]) -> None:
    """Check that each run completes, and was started once."""
    assert [state.status for state in wait_until_ended(*runs)] == [RunStatus.COMPLETED] * len(runs)
    for run in runs:
        assert [one["event"] for one in read_journal(run)].count("started") == 1
        assert log(run) == "hello\n"


def test_it_is_silent(slurm: Cluster, faults: Faults, tmp_path: Path, gate: Path) -> None:
    runs = starting(faults, tmp_path, gate)
    with slurm.silent_controller():
        began = time.monotonic()
        gate.touch()
        until(lambda: time.monotonic() - began > SILENCE_S, "a while")
    assert_started_once(runs)


def test_it_is_killed(slurm: Cluster, faults: Faults, tmp_path: Path, gate: Path) -> None:
    began = time.time()
    runs = starting(faults, tmp_path, gate)
    slurm.wait_until_saved(began)
    gate.touch()
    slurm.restart_controller()
    assert_started_once(runs)
