"""Which GPUs a job gets, however requested; how they are requested; and warnings about them before submission."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.environments import Software
from slurmtf.estimator import Mpi
from slurmtf.estimator.families import GPU_FLAGS
from slurmtf.job.contract.roles import assign_cyclically
from slurmtf.plan import gpus
from slurmtf.plan.model import LaunchPlan
from slurmtf.sites import Site
from slurmtf.sites.model import Defaults, Gpu, Partition, Preset
from slurmtf.sites.model import Launcher as SiteLauncher
from tests.unit.support import flags, plan_of, planned, profile, tells, tensorflow, unplannable

WORKERS: dict[str, Any] = {"distributed_backend": "multiworker", "worker_count": 2}
SERVED: dict[str, Any] = {"distributed_backend": "ps", "worker_count": 2, "parameter_server_count": 2, "node_count": 2}
RANKS: dict[str, Any] = {"distributed_training": Mpi(process_count_per_node=2, gpus="each")}

# --- reading


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("gres", "gpu", {"": 1}),
        ("gres", "gpu:2", {"": 2}),
        ("gres", "gpu:a100", {"a100": 1}),
        ("gres", "gpu:a100:2", {"a100": 2}),
        ("gres", "gpu:a100:2,gpu:v100:1", {"a100": 2, "v100": 1}),
        ("gres", ["gpu:a100:2", "gpu:v100:1"], {"a100": 2, "v100": 1}),
        ("gres", "gpu:a100:1,gpu:a100:2", {"a100": 2}),  # Slurm takes the last of a type
        ("gres", "nvme:100,gpu:2", {"": 2}),
        ("gres", "gpu:a100_1g.5gb:2", {"a100_1g.5gb": 2}),
        ("gres", "gpu:1g.5gb", {"1g.5gb": 1}),
        ("gres", "gres:gpu:2", {"": 2}),
        ("gres", "gres/gpu:a100:2", {"a100": 2}),
        ("gres", "shard:8", {"": 1}),  # a part of one GPU
        ("gres", "mps:50", {"": 1}),
        ("gres", "nvme:100", {}),
        ("gres", "gpux:4", {}),
        ("gres", "none", {}),
        ("gres", None, {}),
        ("gpus", 4, {"": 4}),
        ("gpus", "4", {"": 4}),
        ("gpus", "a100", {"a100": 1}),
        ("gpus", "a100:2,v100:1", {"a100": 2, "v100": 1}),
        ("gpus-per-node", "a100:2", {"a100": 2}),
        ("gpus_per_task", "1", {"": 1}),
        ("gpus-per-socket", "v100:2", {"v100": 2}),
        ("tres-per-task", "gres/gpu=1", {"": 1}),
        ("tres-per-task", "cpu=4,gres/gpu:a100=2", {"a100": 2}),
        ("tres-per-task", "gres/gpu:a100:2", {"a100": 2}),
        ("tres-per-task", "cpu=4,license/ansys=1", {}),
    ],
)
def test_gpus_requested_by_a_flag_are_parsed(flag: str, value: Any, expected: gpus.Counts) -> None:
    assert gpus.count_gpus(flag, value) == expected


@pytest.mark.parametrize(
    ("asked", "per_node", "flag"),
    [
        ({"gres": "gpu:2"}, 2, "gres=gpu:2"),
        ({"gpus-per-node": 3}, 3, "gpus-per-node=3"),
        ({"gpus-per-task": 1}, 2, "gpus-per-task=1"),
        ({"tres-per-task": "gres/gpu=2"}, 4, "tres-per-task=gres/gpu=2"),
        ({"gpus": 6}, 2, "gpus=6"),
        ({"gpus": 2}, 0, "gpus=2"),  # one of the three nodes has none
        ({"gpus-per-socket": 2, "sockets-per-node": 2}, 4, "gpus-per-socket=2"),
        ({"gpus-per-socket": 2}, 2, "gpus-per-socket=2"),
        ({"gpus-per-node": 2, "gpus": 6}, 2, "gpus-per-node=2"),
        ({"gpus-per-task": 1, "gres": "nvme:5"}, 2, "gpus-per-task=1"),
        ({"gres": "none"}, 0, ""),
        ({"gres": None}, 0, ""),
    ],
)
def test_gpu_flags_are_counted_on_three_nodes_of_two_tasks(asked: dict[str, Any], per_node: int, flag: str) -> None:
    found = gpus.compute_allocation(asked, nodes=3, slots=2)
    assert found is not None
    assert (found.per_node, found.flag, found.even) == (per_node, flag, not flag.startswith("gpus="))


@pytest.mark.parametrize("asked", [{}, {"gres": "nvme:100"}, {"hint": "gpu:2"}, {"tres-per-task": "cpu=4"}, {"gpu-bind": "x"}])
def test_flags_not_about_gpus_request_none(asked: dict[str, Any]) -> None:
    assert gpus.compute_allocation(asked, 1, 1) is None


@pytest.mark.parametrize(
    ("header", "srun", "bound"),
    [
        ({"gres": "gpu:2"}, {}, False),
        ({"gpus-per-task": 1}, {}, True),
        ({"tres-per-task": "gres/gpu=1"}, {}, True),
        ({"tres-per-task": "cpu=1"}, {}, False),
        ({"gpu-bind": "single:1"}, {}, True),
        ({"gres": "gpu:2"}, {"gpu-bind": "map_gpu:0,1"}, True),
        ({"gres": "gpu:2"}, {"gpu_bind": "verbose,mask_gpu:0x3"}, True),
        ({"gres": "gpu:2"}, {"gpu-bind": "per_task:1"}, True),
        ({"gres": "gpu:2"}, {"tres-bind": "gres/gpu:single:1"}, True),
        ({"gres": "gpu:2"}, {"gpus-per-task": 1}, True),
        ({"gres": "gpu:2"}, {"gpu-bind": "closest"}, False),
        ({"gpus-per-task": 1}, {"gpu-bind": "none"}, False),
        ({"gpu-bind": "single:1"}, {"gpu-bind": "none"}, False),
    ],
)
def test_binding_by_srun_is_recognized(header: dict[str, Any], srun: dict[str, Any], bound: bool) -> None:
    assert gpus.is_bound(header, srun) is bound


# --- the plan says what the job gets


def codes(plan: LaunchPlan) -> list[str]:
    return [one.code for one in plan.warnings]


def got(plan: LaunchPlan) -> tuple[int, str | None, bool]:
    return plan.resources.gpus_per_node, plan.resources.gpu_type, plan.resources.gpus_bound


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({**WORKERS, "sbatch": {"gpus-per-task": 1}}, (2, None, True)),
        ({**WORKERS, "sbatch": {"gpus": 2}, "srun": {"gpu-bind": "single:1"}}, (2, None, True)),
        ({**WORKERS, "sbatch": {"gres": "gpu:a100:2"}, "srun": {"gpu-bind": "map_gpu:0,1"}}, (2, "a100", True)),
        ({**WORKERS, "sbatch": {"gres": "gpu:1"}}, (1, None, False)),
        ({**WORKERS, "sbatch": {"gres": "gpu:a100:1,gpu:v100:1"}}, (2, "a100,v100", False)),
        ({**WORKERS, "sbatch": {"gres": "nvme:1"}}, (0, None, False)),
        ({**WORKERS, "sbatch": {"gres": "nvme:1"}, "gpus_per_node": 2}, (2, None, False)),
        ({**WORKERS, "sbatch": {"gpus": 4}, "gpus_per_node": 2}, (4, None, False)),  # the user's own flag takes precedence
        ({**RANKS, "sbatch": {"gpus-per-task": 1}}, (2, None, True)),
        ({**RANKS, "sbatch": {"gpus-per-task": 1}, "launcher": "mpirun"}, (2, None, False)),
        ({**SERVED, "sbatch": {"gpus-per-task": 1}}, (2, None, True)),
        ({**SERVED, "sbatch": {"gpus": 2}}, (1, None, False)),
        ({"sbatch": {"gres": "none"}, "use_gpu": True}, (0, None, False)),
        ({"sbatch": {"gres": None}, "gpus_per_node": 2}, (2, None, False)),  # the partition gives them
    ],
)
def test_the_users_own_flags_decide_the_gpus(source: Path, settings: dict[str, Any], expected: object) -> None:
    assert got(planned(source, **settings)) == expected


def test_the_users_own_flag_takes_precedence_over_a_preset(source: Path) -> None:
    site = Site(name="here", presets={"small": Preset(gpus_per_node=1)})
    assert got(planned(source, site, vm_size="small", sbatch={"gpus": 2}, **WORKERS)) == (2, None, False)
    assert codes(planned(source, site, vm_size="small", sbatch={"gres": "gpu:1"}, **WORKERS)) == ["shared-gpus"]
    assert unplannable(tensorflow(source, vm_size="small", **WORKERS), site)[0].code == "too-few-gpus"


def test_sbatch_flags_request_nothing_on_this_machine(source: Path) -> None:
    assert got(planned(source, profile("local"), sbatch={"gres": "gpu:2"})) == (0, None, False)
    assert got(planned(source, profile("local"), gpus_per_node=2, sbatch={"gpus-per-task": 1})) == (2, None, False)


@pytest.mark.parametrize(
    ("settings", "expected", "flag"),
    [
        ({}, 1, "gpu:1"),
        ({"gpus_per_node": 4}, 4, "gpu:4"),  # a parameter takes precedence over a profile's flag
        ({"use_gpu": True, **WORKERS}, 2, "gpu:2"),
        ({"sbatch": {"gpus": 3}}, 3, None),
        ({"sbatch": {"gres": "none"}}, 0, "none"),  # the user wants none, whatever the profile has
    ],
)
def test_gpus_of_a_profiles_flags_are_counted(source: Path, settings: dict[str, Any], expected: int, flag: str | None) -> None:
    plan = planned(source, Site(name="here", directives={"gres": "gpu:1"}), **settings)
    assert (plan.resources.gpus_per_node, flags(plan).get("gres")) == (expected, flag)


@pytest.mark.parametrize(("settings", "partition"), [({}, "gpu"), ({"sbatch": {"gres": "none"}}, "batch")])
def test_requesting_no_gpus_selects_a_partition_without_them(source: Path, settings: dict[str, Any], partition: str) -> None:
    defaults = Defaults(partition="batch", gpu_partition="gpu")
    plan = planned(source, Site(name="here", directives={"gres": "gpu:1"}, defaults=defaults), **settings)
    assert plan.resources.partition == partition


def test_requesting_no_gpu_removes_the_profiles_gpus(source: Path) -> None:
    plan = planned(source, Site(name="here", directives={"gres": "gpu:1,nvme:5"}), gpus_per_node=0)
    assert (plan.resources.gpus_per_node, flags(plan)["gres"]) == (0, "nvme:5")


def test_flags_that_accompany_gpus_accompany_those_of_the_users_flag(source: Path) -> None:
    site = Site(
        name="here",
        defaults=Defaults(gpu_partition="gpu", cpus_per_gpu=8),
        partitions={"gpu": Partition(max_gpus=1)},
        gpu=Gpu(constraint="big", sbatch={"gpu-freq": "high"}, srun={"cpu-bind": "none"}),
    )
    image = Software("python3", image="/images/tf.sif", runtime="apptainer", host_python="/usr/bin/python3")
    plan = plan_of(tensorflow(source, sbatch={"gres": "gpu:2"}, custom_docker_image="/images/tf.sif"), site, image)
    assert (plan.resources.partition, plan.resources.constraint, plan.resources.cpus_per_task) == ("gpu", "big", 16)
    assert flags(plan)["gpu-freq"] == "high"
    assert "--cpu-bind=none" in plan.job.launcher_words
    assert plan.batch.container is not None
    assert "--nv" in plan.batch.container.words
    assert "over-gpus" in codes(plan)


# --- asking


@pytest.mark.parametrize(
    ("wanted", "settings", "flag", "reported"),
    [
        ("gpus-per-task", WORKERS, ("gpus-per-task", "1"), False),
        ("gpus-per-task", RANKS, ("gpus-per-task", "1"), False),
        ("gpus-per-task", SERVED, ("gpus-per-node", "1"), True),
        ("gpus-per-task", {**SERVED, "parameter_server_count": 0}, ("gpus-per-task", "1"), False),
        ("gpus-per-task", {**WORKERS, "gpus_per_node": 3}, ("gpus-per-node", "3"), True),
        ("gpus-per-task", {**RANKS, "launcher": "mpirun"}, ("gpus-per-node", "2"), True),
        ("gpus-per-task", {"launcher": "none"}, ("gpus-per-task", "1"), False),
        ("gpus", WORKERS, ("gpus", "2"), False),
        ("gpus", {**WORKERS, "node_count": 2}, ("gpus-per-node", "1"), True),
        ("gres", SERVED, ("gres", "gpu:1"), False),
        ("gpus-per-node", SERVED, ("gpus-per-node", "1"), False),
    ],
)  # fmt: skip
def test_gpus_are_requested_in_the_form_of_the_plan(
    source: Path, wanted: Any, settings: dict[str, Any], flag: tuple[str, str], reported: bool
) -> None:
    """A form that differs from the site's is reported, with both, as a choice of the plan."""
    plan = planned(source, Site(name="here", gpu=Gpu(request=wanted)), use_gpu=True, **settings)
    assert [pair for pair in plan.batch.directives if pair[0] in GPU_FLAGS] == [flag]
    assert (flag[0] in plan.provenance.choice and wanted in plan.provenance.choice) is reported


@pytest.mark.parametrize(
    ("forbidden", "flag", "count"),
    [(["gpus-per-node"], ("gres", "gpu:1"), 1), (["gpus_per_node", "gres"], ("gpus-per-task", "1"), 2)],
)
def test_a_site_may_refuse_other_forms(source: Path, forbidden: list[str], flag: tuple[str, str], count: int) -> None:
    """If only one form is left, the plan says what it results in: a GPU for each parameter server as well."""
    site = Site(name="here", gpu=Gpu(request="gpus-per-task"), forbidden=forbidden)
    plan = planned(source, site, use_gpu=True, **SERVED)
    assert flag in plan.batch.directives
    assert plan.resources.gpus_per_node == count


@given(
    st.sampled_from(["gres", "gpus-per-node", "gpus-per-task", "gpus"]),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(7, 10)),
)
def test_the_requested_number_of_gpus_is_the_one_in_the_plan(
    tmp_path_factory: pytest.TempPathFactory, wanted: Any, nodes: int, servers: int, workers: int, count: int | None
) -> None:
    folder = tmp_path_factory.getbasetemp() / "one-number"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").touch()
    shape: dict[str, Any] = {"node_count": nodes, "worker_count": workers + nodes, "parameter_server_count": servers}
    site = Site(name="here", gpu=Gpu(request=wanted))
    plan = planned(folder, site, distributed_backend="ps", use_gpu=True, gpus_per_node=count, **shape)
    users = -(-(workers + nodes) // nodes)
    allocation = gpus.compute_allocation(flags(plan), nodes, plan.resources.tasks_per_node)
    assert allocation is not None
    assert allocation.per_node == plan.resources.gpus_per_node == (count or users)
    assert allocation.even
    on_a_node = [
        sum(role.node == node for role in assign_cyclically(plan.job.distribution.roles, nodes)) for node in range(nodes)
    ]
    assert max(on_a_node) <= plan.resources.tasks_per_node


# --- warnings


@pytest.mark.parametrize(
    ("settings", "code", "facts"),
    [
        ({**WORKERS, "sbatch": {"gres": "gpu:1"}}, "shared-gpus", ("2", "1 GPU", "gres=gpu:1")),
        ({**WORKERS, "sbatch": {"gpus": 2}, "srun": {"gres": "gpu:1"}}, "shared-gpus",
         ("2", "1 GPU", "srun gres=gpu:1")),
        ({**SERVED, "worker_count": 6, "sbatch": {"gpus": 4}}, "shared-gpus", ("3", "2 GPUs", "gpus=4")),
        ({**RANKS, "launcher": "mpirun", "node_count": 2, "sbatch": {"gpus-per-task": 1}}, "shared-gpus",
         ("gpus-per-task=1", "mpirun")),
        ({**WORKERS, "gpus_per_node": 3}, "idle-gpus", ("3 GPUs", "2", "1")),
        ({**WORKERS, "node_count": 2, "sbatch": {"gpus": 2}}, "uneven-gpus", ("gpus=2",)),
        ({**SERVED, "sbatch": {"gpus-per-task": 1}}, "idle-gpus", ("gpus-per-task=1", "ps")),
    ],
)  # fmt: skip
def test_warnings(source: Path, settings: dict[str, Any], code: str, facts: tuple[str, ...]) -> None:
    (found,) = (one for one in planned(source, **settings).warnings if one.code == code)
    assert tells(found, *facts)


@pytest.mark.parametrize(
    "settings",
    [
        {**WORKERS, "gpus_per_node": 2},
        {**WORKERS, "gpus_per_node": 4},
        {**WORKERS, "sbatch": {"gpus-per-task": 1}},
        {**WORKERS, "sbatch": {"gres": "gpu:a100:2"}, "srun": {"gpu-bind": "map_gpu:0,1"}},
        {"sbatch": {"gpus": 3}},
        WORKERS,
    ],
)
def test_no_warning_if_each_worker_has_its_own_gpu(source: Path, settings: dict[str, Any]) -> None:
    assert planned(source, **settings).warnings == ()


def test_a_profile_with_one_gpu_for_two_workers_gives_a_warning(source: Path) -> None:
    plan = planned(source, Site(name="here", directives={"gres": "gpu:1"}), **WORKERS)
    assert codes(plan) == ["shared-gpus"]


def test_limits_count_the_gpus_that_slurm_grants(source: Path) -> None:
    """With a form that also gives GPUs to parameter servers, these count towards the partition's limit."""
    site = Site(
        name="here",
        gpu=Gpu(request="gpus-per-task"),
        forbidden=["gres", "gpus-per-node"],
        partitions={"gpu": Partition(max_gpus=2)},
    )
    plan = planned(source, site, use_gpu=True, partition="gpu", **SERVED)
    assert "over-gpus" in codes(plan)


def test_packaged_profiles_give_parameter_servers_no_gpus(source: Path) -> None:
    for name in ("frontier", "daint", "mila", "sherlock"):
        plan = planned(source, profile(name), use_gpu=True, account="x", partition="gpu", time=60, **SERVED)
        assert gpus.compute_allocation(flags(plan), 2, 2).per_node == plan.resources.gpus_per_node == 1, name  # type: ignore[union-attr]


def test_mpirun_requests_gpus_by_node_on_a_profile_with_gpus_by_task(source: Path) -> None:
    site = Site(name="here", gpu=Gpu(request="gpus-per-task"), launcher=SiteLauncher(default="mpirun"))
    plan = planned(source, site, use_gpu=True, node_count=2, distributed_backend="mpi", process_count_per_node=2)
    assert flags(plan)["gpus-per-node"] == "2"
