"""A workspace at the Slurm that has Apptainer, and the image that its jobs run in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf.sites import Site, load
from slurmtf.sites.model import Containers
from slurmtf.sites.search import packaged
from tests.cluster import Cluster
from tests.distributed.conftest import FOR_MPI
from tests.slurm.conftest import lab_at
from tests.slurm.support import Lab

from . import image as images

OF_ROOT = Containers("apptainer", args=["--userns"])
"""Apptainer as its users have it: root here lacks the rights that Apptainer wants of root."""


@pytest.fixture(scope="session")
def image() -> Path:
    return images.folder()


@pytest.fixture
def boxes(slurm24: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Runs go to Slurm, in containers when they name an image."""
    lab = lab_at(slurm24, tmp_path, monkeypatch)
    lab.target = at("slurm")
    for name, value in FOR_MPI.items():
        monkeypatch.setenv(name, value)
    return lab


@pytest.fixture
def here(boxes: Lab) -> Lab:
    """Runs stay on this machine, with the same Apptainer."""
    boxes.target = at("local")
    return boxes


def at(site: str, containers: Containers = OF_ROOT) -> Site:
    return replace(load(packaged("site_configs") / f"{site}.yaml"), containers=containers)
