"""Session fixtures, each a Slurm to run jobs on; started when a test first asks for it.

A cluster that a developer keeps running under SLURMTF_CLUSTER_DIR is used instead. Where none can be started the tests
are skipped, or with SLURMTF_REQUIRE_SLURM=1 they fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import config, tree
from .cluster import Cluster
from .errors import ClusterUnavailable
from .shims import without_slurm


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four nodes with GPUs, and accounting."""
    yield from provided("default", tmp_path_factory)


@pytest.fixture(scope="session")
def slurm_noaccounting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    yield from provided("noaccounting", tmp_path_factory)


@pytest.fixture(scope="session")
def slurm_tinyarray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """MaxArraySize=5, no accounting."""
    yield from provided("tinyarray", tmp_path_factory)


@pytest.fixture(scope="session")
def slurm_fewids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Six job ids, which come again two seconds after a job has ended."""
    yield from provided("fewids", tmp_path_factory)


@pytest.fixture(scope="session")
def slurm24(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Slurm 24.11."""
    yield from provided("slurm24", tmp_path_factory)


@pytest.fixture
def slurm_env(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The test's own process is a client of `slurm`."""
    become_client(slurm, monkeypatch)
    return slurm


def become_client(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ.keys() - without_slurm(os.environ).keys():
        monkeypatch.delenv(name)
    for name, value in cluster.environment().items():
        monkeypatch.setenv(name, value)


def provided(variant: str, factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    developers = kept(variant)
    if developers:
        yield developers
        return
    try:
        cluster = started(variant, factory)
    except ClusterUnavailable as error:
        raise outcome(f"no Slurm ({variant}): {error}") from None
    with cluster:
        yield cluster


def kept(variant: str) -> Cluster | None:
    folder = os.environ.get("SLURMTF_CLUSTER_DIR")
    cluster = Cluster(Path(folder, variant), variant=variant) if folder else None
    return cluster if cluster and cluster.running else None


def started(variant: str, factory: pytest.TempPathFactory) -> Cluster:
    suite = config.VARIANTS[variant].suite
    if suite and not tree.is_built(suite) and not required():
        raise ClusterUnavailable(f"`scripts/cluster start --variant {variant}` makes it, in three minutes and 1.8 GB")
    cluster = Cluster(factory.mktemp(f"slurm-{variant}"), variant=variant)
    cluster.start()
    return cluster


def required() -> bool:
    return os.environ.get("SLURMTF_REQUIRE_SLURM") == "1"


def outcome(reason: str) -> BaseException:
    """Of a test without a cluster."""
    return pytest.fail.Exception(reason, pytrace=False) if required() else pytest.skip.Exception(reason)
