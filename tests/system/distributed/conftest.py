"""The fixture that starts examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.system.slurm.support import end_jobs

from .examples import Examples

PROFILE = """
extends: slurm
name: lab
launcher: {mpi: pmix}
"""
FOR_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",  # the simulated nodes have more cores than this machine
}


@pytest.fixture
def examples(slurm_env: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Examples]:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")  # a rank that a signal kills logs where it was
    for name, value in FOR_MPI.items():
        monkeypatch.setenv(name, value)
    profile = tmp_path / "lab.yaml"
    profile.write_text(PROFILE)
    started = Examples(tmp_path / "runs", profile)
    yield started
    started.cancel()
    end_jobs(slurm_env, tmp_path)
