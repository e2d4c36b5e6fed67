"""A workspace on the Slurm with Apptainer (and pyxis, if a test requests it), and the image that its jobs run in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from slurmtf.sites import Site, load
from slurmtf.sites.model import Containers
from slurmtf.sites.search import find_data
from tests.cluster import Cluster
from tests.system.distributed.conftest import FOR_MPI
from tests.system.slurm.conftest import lab_at
from tests.system.slurm.support import Lab, end_jobs

from . import image as images
from . import spank

OF_ROOT = Containers("apptainer", args=["--userns"])
"""As for ordinary users: if started by root, Apptainer expects rights that root lacks here."""


OF_PYXIS = Containers("pyxis")


@dataclass
class Boxes(Lab):
    """Submits runs, in containers if they name an image; ``image`` is one that the profile's runtime can start."""

    containers: Containers = field(default_factory=Containers)
    image: Path = Path()

    def at(self, site: str, containers: Containers, image: Path) -> Boxes:
        self.target, self.containers, self.image = at(site, containers), containers, image
        return self


@pytest.fixture(scope="session")
def image() -> Path:
    return images.folder()


@pytest.fixture(scope="session")
def squashed(slurm24: Cluster, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spank.squashed(slurm24, image, tmp_path_factory.mktemp("images") / "image.sqsh")


@pytest.fixture
def boxes(slurm24: Cluster, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """Submit runs to Slurm, in Apptainer's containers."""
    lab = lab_at(slurm24, tmp_path, monkeypatch)
    for name, value in FOR_MPI.items():
        monkeypatch.setenv(name, value)
    yield Boxes(lab.folder).at("slurm", OF_ROOT, image)
    end_jobs(slurm24, tmp_path)


@pytest.fixture
def here(boxes: Boxes) -> Boxes:
    """Run on this machine, with the same Apptainer."""
    return boxes.at("local", OF_ROOT, boxes.image)


@pytest.fixture
def pyxis(boxes: Boxes, slurm24: Cluster, squashed: Path) -> Iterator[Boxes]:
    """Submit runs to the same Slurm, in containers of the stand-in for pyxis."""
    with spank.plugged(slurm24):
        yield boxes.at("slurm", OF_PYXIS, squashed)


@pytest.fixture(params=["boxes", "here", "pyxis"])
def place(request: pytest.FixtureRequest) -> Boxes:
    found: Boxes = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["boxes", "pyxis"])
def nodes(request: pytest.FixtureRequest) -> Boxes:
    found: Boxes = request.getfixturevalue(request.param)
    return found


def at(site: str, containers: Containers = OF_ROOT) -> Site:
    return replace(load(find_data("site_configs") / f"{site}.yaml"), containers=containers)
