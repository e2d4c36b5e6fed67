"""conda environments on Slurm: built for a run, and staged to the nodes' own disks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Run, RunStatus, Site
from slurmtf.sites.model import Defaults, Environments, Storage
from tests.conda.channel import MINOR
from tests.conda.fixtures import Conda

from .support import Lab, log, read_staged, wait_until_ended

pytestmark = pytest.mark.slurm

# Prints everything that names the environment's folder: Python, a module, a script, programs, variables.
TELLS = r"""
import json, os, re, subprocess, sys
import paths, speck
bin = os.path.join(sys.prefix, "bin")
with open(os.path.join(bin, "speck")) as script:
    interpreter = re.search("/[^\s'\"]+/bin/python[0-9.]*", script.read(500)).group()
facts = {"interpreter": interpreter, "python": sys.prefix, "module": paths.home, "version": speck.version}
facts.update((name, os.environ[name]) for name in ("CONDA_PREFIX", "PATHS_HOME", "PATHS_SEEN"))
facts.update((name, subprocess.check_output([name], text=True).strip()) for name in ("prefix", "where", "speck"))
print(json.dumps({**facts, "path": os.environ["PATH"].split(os.pathsep)[0]}))
"""


def wish(conda: Conda) -> Environment:
    return Environment(conda_packages=["python", "speck <2", "paths"], conda_channels=[conda.channel])


def facts(run: Run, label: str = "main-0") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(log(run, f"{label}.out"))
    return found


def expected(place: str, installed: str, seen: str) -> dict[str, Any]:
    """Return what a script finds in an environment that was installed in one folder and is used from another place."""
    home = f"{installed}/share/paths"
    names = {"CONDA_PREFIX": place, "PATHS_HOME": home, "PATHS_SEEN": seen, "prefix": installed, "where": home}
    own = {"interpreter": f"{installed}/bin/python{MINOR}", "python": place, "module": home, "version": "1.0"}
    return {**names, **own, "speck": f"1.0 {installed}", "path": f"{place}/bin"}


def test_an_environment_is_built_for_a_run_and_activated(lab: Lab, conda: Conda) -> None:
    run = lab.submit(TELLS, environment_definition=wish(conda))
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, run.state.message
    place = run.plan["batch"]["shell"]["activation"]["prefix"]
    assert facts(run) == expected(place, os.path.realpath(place), place)
    assert f"{conda.channel}/noarch/speck-1.0-0.tar.bz2" in [line.partition("#")[0] for line in run.receipt["lock"]]


@pytest.fixture
def disks(tmp_path: Path) -> Path:
    return tmp_path / "disks"


def site_of(disks: Path, **settings: Any) -> Site:
    storage = Storage(local=f"{disks}/$SLURMD_NODENAME", stage="node-local")
    return Site(name="staging", storage=storage, defaults=Defaults(time="5:00"), **settings)


def place_on(disks: Path, node: str, run: Run) -> str:
    return f"{disks}/{node}/slurmtf-{os.getuid()}/{node}/{run.id}/env"


@pytest.mark.parametrize("made", [True, False])
def test_an_environment_is_staged_to_two_nodes(lab: Lab, conda: Conda, disks: Path, tmp_path: Path, made: bool) -> None:
    there = tmp_path / "envs" / "tf"
    if not made:
        conda.create(there, "python", "speck <2", "paths")
    definition = wish(conda) if made else Environment(conda=str(there))
    two = {"node_count": 2, "distributed_backend": "mpi", "process_count_per_node": 1, "sbatch": {"nodelist": "node1,node2"}}
    run = lab.submit(TELLS, compute_target=site_of(disks), environment_definition=definition, **two)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, run.state.message
    assert [node["warnings"] for node in read_staged(run).values()] == [[], []]
    for rank, node in enumerate(("node1", "node2")):
        place = place_on(disks, node, run)
        assert facts(run, f"rank-{rank}") == expected(place, place, place)
    assert list(disks.glob("*/slurmtf-*/*/*")) == []


def test_an_environment_is_built_and_packed_by_a_job(lab: Lab, conda: Conda, disks: Path) -> None:
    by_job = site_of(disks, environments=Environments(build="job", job={"time": "5:00"}))
    run = lab.submit(TELLS, compute_target=by_job, environment_definition=wish(conda))
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, run.state.message
    ((node, staged),) = read_staged(run).items()
    place = place_on(disks, node, run)
    assert facts(run) == expected(place, place, place)
    assert staged["warnings"] == []
