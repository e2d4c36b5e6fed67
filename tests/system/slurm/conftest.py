"""A workspace on each cluster, with only the test's own settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.scheduler.slurm.executor import WATCHERS
from tests.cluster import Cluster
from tests.cluster.fixtures import become_client

from .support import Lab, end_jobs

SETTINGS = ("SLURMTF_WORKSPACE", "SLURMTF_SITE", "SLURMTF_SITE_PATH", "SLURMTF_TEMPLATE_PATH")


@pytest.fixture
def lab(slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    yield lab_at(slurm, tmp_path, monkeypatch)
    end_jobs(slurm, tmp_path)


@pytest.fixture
def lab_noaccounting(slurm_noaccounting: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    yield lab_at(slurm_noaccounting, tmp_path, monkeypatch)
    end_jobs(slurm_noaccounting, tmp_path)


@pytest.fixture
def lab_tinyarray(slurm_tinyarray: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    yield lab_at(slurm_tinyarray, tmp_path, monkeypatch)
    end_jobs(slurm_tinyarray, tmp_path)


@pytest.fixture
def lab_fewids(slurm_fewids: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    yield lab_at(slurm_fewids, tmp_path, monkeypatch)
    end_jobs(slurm_fewids, tmp_path)


@pytest.fixture
def lab24(slurm24: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    yield lab_at(slurm24, tmp_path, monkeypatch)
    end_jobs(slurm24, tmp_path)


def lab_at(cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Make this process a client of the cluster, as a user without settings."""
    become_client(cluster, monkeypatch)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.chdir(folder)
    WATCHERS.clear()  # job ids start at 1 in every cluster
    return Lab(folder)
