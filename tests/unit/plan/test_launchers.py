"""The commands that start a job's tasks, and the shapes of jobs that can't be started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf.estimator import Mpi, MultiWorker, ParameterServer
from slurmtf.plan import resolve
from slurmtf.plan.directives import build_builder_directives
from slurmtf.plan.launchers import can_serve_mpi, is_step, list_agent_launchers
from slurmtf.plan.model import AwaitedJob
from slurmtf.sites import Site
from slurmtf.sites.model import Defaults, Launcher, Network
from tests.unit.support import PLACE, SITE, SNAPSHOT, SOFTWARE, flags, planned, tensorflow, unplannable

MPI = Site(name="here", launcher=Launcher(mpi="pmix"))


@pytest.mark.parametrize(
    ("site", "settings", "words"),
    [
        (MPI, {"distributed_training": Mpi(2), "node_count": 2},
         "srun --nodes=2 --ntasks=4 --ntasks-per-node=2 --export=ALL --kill-on-bad-exit=1 --mpi=pmix"),
        (MPI, {"distributed_training": Mpi(2, transport="gloo"), "node_count": 2},
         "srun --nodes=2 --ntasks=4 --ntasks-per-node=2 --export=ALL --kill-on-bad-exit=1"),
        (MPI, {"distributed_training": Mpi(1)}, "srun --nodes=1 --ntasks=1 --export=ALL --mpi=pmix"),
        (SITE, {"distributed_training": MultiWorker(3), "node_count": 2},
         "srun --nodes=2 --ntasks=3 --distribution=cyclic --export=ALL --kill-on-bad-exit=1"),
        (SITE, {"distributed_training": ParameterServer(2, 1), "cpus_per_task": 4},
         "srun --nodes=1 --ntasks=3 --distribution=cyclic --cpus-per-task=4 --export=ALL --kill-on-bad-exit=1"),
        (SITE, {"distributed_training": Mpi(2), "node_count": 2, "launcher": "mpirun"},
         "mpirun -n 4 --map-by ppr:2:node:oversubscribe --bind-to none"),
        (SITE, {"distributed_training": MultiWorker(3), "node_count": 2, "launcher": "mpirun"},
         "mpirun -n 3 --map-by node:oversubscribe --bind-to none"),
        (SITE, {"distributed_training": Mpi(2), "launcher": "mpiexec"}, "mpiexec -n 2"),
    ],
)  # fmt: skip
def test_each_launcher_has_its_command(source: Path, site: Site, settings: dict[str, Any], words: str) -> None:
    assert " ".join(planned(source, site, **settings).job.launcher_words) == words


def test_the_agent_starts_the_tasks_of_one_node(source: Path) -> None:
    launch = planned(source, launcher="spawn", distributed_training=MultiWorker(3)).job.launcher_words
    assert launch[1:] == ("-I", f"{PLACE.folder}/agent.pyz", "spawn", "3", "--")


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"launcher": "none", "distributed_training": MultiWorker(2)}, "launcher"),
        ({"launcher": "spawn", "distributed_training": MultiWorker(2), "node_count": 2}, "launcher"),
        ({"launcher": "spawn", "distributed_training": Mpi(2, transport="mpi")}, "launcher"),
        ({"distributed_training": MultiWorker(2), "node_count": 3}, "node_count"),
        ({"distributed_training": ParameterServer(1, 1), "node_count": 3}, "node_count"),
    ],
)
def test_shapes_that_can_not_be_started_are_refused(source: Path, settings: dict[str, Any], where: str) -> None:
    (finding,) = unplannable(tensorflow(source, **settings), SITE)
    assert finding.where == where


@pytest.mark.parametrize(
    ("distribution", "expected"), [(ParameterServer(2, 1), "cyclic"), (MultiWorker(2), "cyclic"), (Mpi(2), None)]
)
def test_roles_are_distributed_over_the_nodes_of_an_allocation(source: Path, distribution: Any, expected: str | None) -> None:
    assert flags(planned(source, distributed_training=distribution)).get("distribution") == expected


@pytest.mark.parametrize(("of_site", "asked", "partition"), [("cpu", "gpu", "cpu"), (None, "gpu", "gpu"), (None, None, None)])
def test_a_build_job_uses_no_partition_with_gpus(
    source: Path, of_site: str | None, asked: str | None, partition: str | None
) -> None:
    site = Site(name="here", defaults=Defaults(partition=of_site))
    assert dict(build_builder_directives(tensorflow(source, partition=asked), site, "pip-x", {})).get("partition") == partition


def test_a_build_job_takes_no_gpu_of_the_profile(source: Path) -> None:
    site = Site(name="here", directives={"gres": "gpu:1,nvme:5", "gpus-per-task": 1, "hint": "x"})
    header = dict(build_builder_directives(tensorflow(source), site, "pip-x", {}))
    assert (header["gres"], header["hint"], "gpus-per-task" in header) == ("nvme:5", "x", False)


def test_a_job_waits_for_its_build(source: Path) -> None:
    """With afterok, since a failed build leaves nothing to run with; the job must not wait forever then."""
    estimator = tensorflow(source, sbatch={"dependency": "singleton"})
    header = flags(resolve(estimator, SITE, SOFTWARE, SNAPSHOT, PLACE, after=AwaitedJob("7", "pip-x")))
    assert (header["dependency"], header["kill-on-invalid-dep"]) == ("afterok:7,singleton", "yes")
    assert "dependency" not in flags(planned(source))


@pytest.mark.parametrize(("workers", "nodes", "unset"), [(3, 2, ("SLURM_NTASKS_PER_NODE",)), (4, 2, ()), (1, 1, ())])
def test_variables_about_unused_room_are_unset_for_srun(source: Path, workers: int, nodes: int, unset: tuple[str, ...]) -> None:
    assert planned(source, distributed_training=MultiWorker(workers), node_count=nodes).batch.shell.unset == unset


def test_variables_of_the_user_take_precedence(source: Path) -> None:
    plan = planned(
        source,
        Site(name="here", network=Network(interface="ib0")),
        legacy_keras=True,
        environment_variables={"TF_USE_LEGACY_KERAS": "0"},
    )
    assert plan.job.variables == {"TF_USE_LEGACY_KERAS": "0"}
    assert plan.batch.shell.exports["NCCL_SOCKET_IFNAME"] == "ib0"


@pytest.mark.parametrize(
    ("name", "step", "bare", "with_flag"),
    [
        ("srun", True, False, True),
        ("spawn", False, False, False),
        ("none", False, True, True),
        ("mpirun", False, True, True),
        ("ibrun", False, True, True),
        ("nosuch", False, True, True),
    ],
)
def test_launchers_are_classified_by_step_and_mpi(name: str, step: bool, bare: bool, with_flag: bool) -> None:
    """A missing launcher is refused later, not here."""
    assert is_step(name) is step
    assert can_serve_mpi(name, SITE, {}) is bare
    assert can_serve_mpi(name, SITE, {"mpi": "pmix"}) is with_flag
    assert can_serve_mpi(name, MPI, {}) is (name != "spawn")


def test_the_agents_own_launchers_are_none_and_spawn() -> None:
    assert list_agent_launchers() == ["none", "spawn"]
