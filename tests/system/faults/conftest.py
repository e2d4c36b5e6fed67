"""Workspaces for a module's runs, which are submitted side by side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.system.slurm.conftest import SETTINGS, lab_at
from tests.system.slurm.support import Lab, end_jobs

from .support import Faults


@pytest.fixture(scope="module")
def faults(slurm: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """Submit runs to the test Slurm, and on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        made = Faults(lab_at(slurm, tmp_path_factory.mktemp("faults"), patch))
        yield made
        made.clean_up()
        end_jobs(slurm, made.lab.folder)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """Submit runs on this machine only: no Slurm is needed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        folder = tmp_path_factory.mktemp("here")
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        made = Faults(Lab(folder, "local"))
        yield made
        made.clean_up()
