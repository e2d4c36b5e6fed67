"""Which GPUs a task gets: in the rows of a table, and in any configuration that Slurm may create."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmtf.job.common import gpus
from slurmtf.job.common.gpus import (
    VisibleGpus,
    adapt_for_srun,
    build_variables,
    compute_share,
    count_openable,
    divide,
    find_visible,
)
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.job.contract.roles import Role, assign_cyclically, assign_in_blocks
from slurmtf.job.contract.variables import GPUS
from slurmtf.job.task.environment import TaskEnvironment

NODE = {0: "a", 1: "a"}
CVD = "CUDA_VISIBLE_DEVICES"


def plan(count: int = 0, *, bound: bool = False, launcher: str = "srun", **more: Any) -> JobPlan:
    size = Size(tasks=2, cpus_per_task=1, gpus_per_node=count, gpus_bound=bound)
    return JobPlan(
        Run("x-1", "x"), "slurm", Distribution((("worker", 2),)), size, launcher, is_step=launcher == "srun"
    )._replace(**more)


@pytest.mark.parametrize(
    ("names", "sharers", "expected"),
    [
        ("0", 1, ["0"]),
        ("0,1,2,3", 2, ["0,1", "2,3"]),
        ("4,5", 2, ["4", "5"]),  # the node's numbers, not ours
        ("0,1,2", 2, ["0", "1"]),  # the same number for each: multi-worker strategies require it
        ("0", 2, ["0", "0"]),
        ("0,1", 3, ["0", "1", "0"]),
        ("GPU-aa,GPU-bb", 2, ["GPU-aa", "GPU-bb"]),
        ("MIG-1,MIG-2", 2, ["MIG-1", "MIG-2"]),
    ],
)
def test_gpus_are_split_into_shares(names: str, sharers: int, expected: list[str]) -> None:
    assert [",".join(compute_share(tuple(names.split(",")), turn, sharers)) for turn in range(sharers)] == expected


@pytest.mark.parametrize(
    ("launcher", "bound", "environ", "expected"),
    [
        ("srun", False, {CVD: "0,1", "SLURM_GPUS_ON_NODE": "2"}, VisibleGpus(("0", "1"), False)),
        ("srun", True, {CVD: "0,1", "SLURM_GPUS_ON_NODE": "2"}, VisibleGpus(("0", "1"), True)),  # --gpu-bind=mask_gpu:0x3,0x3
        ("srun", False, {CVD: "0", "SLURM_GPUS_ON_NODE": "2"}, VisibleGpus(("0",), True)),  # a site's plugin, SLURM_GPU_BIND
        ("srun", False, {CVD: "0"}, VisibleGpus(("0",), True)),  # two were requested
        ("mpirun", False, {CVD: "0", "SLURM_GPUS_ON_NODE": "2"}, VisibleGpus(("0",), False)),  # its daemon was bound to them
        ("spawn", False, {CVD: "0,1", "SLURM_GPUS_ON_NODE": "2"}, VisibleGpus(("0", "1"), False)),
        ("srun", False, {CVD: "", "ROCR_VISIBLE_DEVICES": "5"}, VisibleGpus((), True)),
        ("srun", False, {CVD: "NoDevFiles"}, VisibleGpus((), True)),
        ("srun", True, {"SLURM_JOB_GPUS": "2,3"}, VisibleGpus(None, False)),  # the names are those of another node
        ("srun", True, {"SLURM_STEP_GPUS": "2,3"}, VisibleGpus(None, False)),
        (
            "srun",
            False,
            {CVD: "MIG-GPU-a/1/0,MIG-b", "SLURM_GPUS_ON_NODE": "2"},
            VisibleGpus(("MIG-GPU-a/1/0", "MIG-b"), False),
        ),
    ],
)
def test_gpus_that_a_task_sees_under_slurm(launcher: str, bound: bool, environ: dict[str, str], expected: VisibleGpus) -> None:
    assert find_visible(plan(2, bound=bound, launcher=launcher), environ, 0) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ROCR_VISIBLE_DEVICES": "2,3", CVD: "0,1"}, ("2", "3")),
        ({CVD: "0,1"}, ("0", "1")),
        ({"ROCR_VISIBLE_DEVICES": ""}, ()),
    ],
)
def test_each_vendor_has_its_own_variable(environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert find_visible(plan(2, gpu_vendor="amd"), environ, 0).names == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SLURM_GPUS_PER_TASK": "1"}, {"SLURM_GPUS_PER_TASK": "1"}),
        ({"SLURM_GPUS_PER_TASK": "a100:2"}, {"SLURM_GPUS_PER_TASK": "2"}),
        ({"SLURM_GPUS_PER_TASK": "a100:1,v100:1"}, {"SLURM_GPUS_PER_TASK": "a100:1,v100:1"}),
        ({"SLURM_GPUS_PER_TASK": "a100:1,v100"}, {"SLURM_GPUS_PER_TASK": "a100:1,v100"}),
        ({"SLURM_GPU_BIND": "none"}, {}),
        ({"SLURM_GPU_BIND": "single:1"}, {"SLURM_GPU_BIND": "single:1"}),
        (
            {"SLURM_GPUS_PER_TASK": "a100:1", "SLURM_GPU_BIND": "none"},
            {"SLURM_GPUS_PER_TASK": "1", "SLURM_GPU_BIND": "none"},
        ),
        ({}, {}),
    ],
)
def test_srun_is_called_so_that_it_names_the_gpus(environ: dict[str, str], expected: dict[str, str]) -> None:
    assert adapt_for_srun({"HOME": "/home/u", **environ}) == {"HOME": "/home/u", **expected}


@pytest.mark.parametrize(
    ("asked", "environ", "expected"),
    [
        (0, {}, ()),
        (0, {CVD: "0,1"}, ()),
        (2, {}, ("0", "1")),
        (2, {CVD: ""}, ("0", "1")),
        (2, {CVD: "4,5,6"}, ("4", "5")),
        (2, {CVD: "4"}, ("4",)),
    ],
)
def test_gpus_that_a_local_task_sees(asked: int, environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert find_visible(plan(asked, bound=True, scheduler="local"), environ, 0) == VisibleGpus(expected, False)


@pytest.mark.parametrize(
    ("openable", "environ", "asked", "expected"),
    [
        (2, {"SLURM_GPUS_ON_NODE": "2"}, 2, ("0", "1")),
        (4, {"SLURM_GPUS_ON_NODE": "2"}, 2, None),  # nothing shows which two of the four are the job's
        (1, {"SLURM_GPUS_ON_NODE": "2"}, 2, None),  # MIG, or a cgroup that limits the task to its own
        (4, {}, 4, ("0", "1", "2", "3")),
        (0, {}, 0, None),
    ],
)
def test_gpus_are_counted_if_no_variable_names_them(openable: int, environ: dict[str, str], asked: int, expected: Any) -> None:
    assert find_visible(plan(asked, bound=True), environ, openable) == VisibleGpus(expected, False)


def test_a_device_without_permission_does_not_count(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*(f"nvidia{index}" for index in range(3)), "nvidiactl", "nvidia-uvm"]:
        (tmp_path / name).touch()
    monkeypatch.setitem(gpus.DEVICES, "nvidia", f"{tmp_path}/nvidia[0-9]*")
    assert count_openable("nvidia") == 3
    monkeypatch.setattr(os, "access", lambda path, _mode: not path.endswith("1"))
    assert count_openable("nvidia") == 2


@pytest.mark.parametrize(
    ("first", "second", "users", "expected"),
    [
        (VisibleGpus(("0", "1"), False), VisibleGpus(("0", "1"), False), [0, 1], {0: ("0",), 1: ("1",)}),
        (VisibleGpus(("0",), True), VisibleGpus(("1",), True), [0, 1], {0: ("0",), 1: ("1",)}),
        (
            VisibleGpus(("0",), True),
            VisibleGpus(("0",), True),
            [0, 1],
            {0: ("0",), 1: ("0",)},
        ),  # under cgroups each calls its own GPU 0
        (VisibleGpus(("0", "1"), True), VisibleGpus(("0", "1"), True), [0, 1], {0: ("0", "1"), 1: ("0", "1")}),
        (
            VisibleGpus(("0", "1"), False),
            VisibleGpus(("0", "1"), False),
            [1, 0],
            {0: ("0",), 1: ("1",)},
        ),  # by rank, in any order
        (VisibleGpus(("0", "1"), False), VisibleGpus(("0", "1"), False), [], {0: ("0", "1"), 1: ("0", "1")}),  # Mpi(gpus="all")
        (
            VisibleGpus(("0", "1"), False),
            VisibleGpus(("0", "1"), False),
            [1],
            {0: (), 1: ("0", "1")},
        ),  # a coordinator needs no GPU
        (VisibleGpus(("0", "1"), True), VisibleGpus(("0", "1"), True), [1], {0: ("0", "1"), 1: ("0", "1")}),
        (VisibleGpus(("0",), True), VisibleGpus(("0",), False), [1], {0: ("0",), 1: ("0",)}),  # bound GPUs are the task's own
        (VisibleGpus(None, False), VisibleGpus(None, False), [0, 1], {0: None, 1: None}),
        (VisibleGpus((), False), VisibleGpus(("1",), False), [0, 1], {0: (), 1: ("1",)}),
    ],
)
def test_tasks_of_a_node_divide_its_gpus(
    first: VisibleGpus, second: VisibleGpus, users: list[int], expected: dict[int, Any]
) -> None:
    assert divide({0: first, 1: second}, NODE, users) == expected


def test_gpus_are_divided_within_each_node_only() -> None:
    seen = VisibleGpus(("0", "1"), False)
    assert divide({0: seen, 1: seen}, {0: "a", 1: "b"}, [0, 1]) == {0: ("0", "1"), 1: ("0", "1")}


def test_leftover_gpus_go_to_tasks_that_do_not_compute() -> None:
    seen = VisibleGpus(("0", "1", "2"), False)
    divided = divide(dict.fromkeys(range(3), seen), dict.fromkeys(range(3), "a"), [0, 1])
    assert divided == {0: ("0",), 1: ("1",), 2: ("2",)}


# --- any configuration that Slurm may create


EXPORTED = (CVD, "ROCR_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE")
OF_A_NODE = 8


@dataclass(frozen=True)
class World:
    """Nodes with GPUs, a job that has some of them, and how Slurm shows them to tasks (measured with 22.05 and 24.11)."""

    roles: list[Role]
    gpu_roles: list[str]
    nodes: list[list[int]]
    """The job's GPUs on each node, by the node's numbers."""
    constrained: bool
    """Whether cgroups let a task see only its own GPUs, numbered from 0."""
    binding: str
    """'': no binding; 'each': a share for each task of the node; 'mask': all to each task, as the user asked."""
    known: bool
    """Whether the plan knows about the binding."""
    launcher: str
    naming: str
    vendor: str
    exported: frozenset[str]
    """The variables that Slurm exports, of those that it may set."""
    asked: int
    """GPUs per node, as far as the plan knows."""

    @property
    def is_named(self) -> bool:
        return bool(self.exported & {GPUS[self.vendor], CVD})

    def openable(self, rank: int) -> int:
        return len(self.truth(rank)) if self.constrained else OF_A_NODE

    def tasks_on(self, node: int) -> list[int]:
        return [role.rank for role in self.roles if role.node == node]

    def truth(self, rank: int) -> list[int]:
        """Return the GPUs that Slurm shows to a task."""
        node = self.roles[rank].node
        ranks, here = self.tasks_on(node), self.nodes[node]
        if self.binding != "each" or not here:
            return here
        each = max(1, len(here) // len(ranks))
        turn = ranks.index(rank)
        return here[turn * each : (turn + 1) * each] or [here[0]]

    def names(self, rank: int) -> dict[str, int]:
        """Return the names by which a task calls the GPUs that it sees."""
        node = self.roles[rank].node
        seen = self.truth(rank)
        numbers = range(len(seen)) if self.constrained else seen
        texts = {"index": "{}", "uuid": "GPU-{0}-{1}", "mig": "MIG-GPU-{0}-{1}/1/0"}
        if self.naming == "index":
            return {str(number): gpu for number, gpu in zip(numbers, seen, strict=True)}
        return {texts[self.naming].format(node, gpu): gpu for gpu in seen}

    def environ(self, rank: int) -> dict[str, str]:
        node = self.roles[rank].node
        here = ",".join(map(str, self.nodes[node]))
        if not here:
            return {}
        first = ",".join(map(str, self.nodes[0]))
        seen = ",".join(self.names(rank))
        count = {"SLURM_GPUS_ON_NODE": str(len(self.nodes[node])), "SLURM_JOB_GPUS": first, "SLURM_STEP_GPUS": here}
        variables = {CVD: seen, "ROCR_VISIBLE_DEVICES": seen, **count}
        return {name: value for name, value in variables.items() if name in self.exported}

    def plan(self) -> JobPlan:
        bound = self.known and self.binding != ""
        return plan(self.asked, bound=bound, launcher=self.launcher, gpu_vendor=self.vendor)

    @property
    def users(self) -> list[int]:
        return [role.rank for role in self.roles if role.role in self.gpu_roles]

    def divided(self) -> Mapping[int, Any]:
        seen = {role.rank: find_visible(self.plan(), self.environ(role.rank), self.openable(role.rank)) for role in self.roles}
        return divide(seen, {role.rank: f"node{role.node}" for role in self.roles}, self.users)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    nodes = draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["ps", "coordinated", "multiworker", "mpi each", "mpi all"]))
    workers = draw(st.integers(nodes, 3 * nodes))
    if kind.startswith("mpi"):
        slots = draw(st.integers(1, 4))
        roles, gpu_roles = assign_in_blocks([("rank", nodes * slots)], slots), ["rank"] if kind == "mpi each" else []
    else:
        counts = {
            "ps": [("chief", 1), ("ps", draw(st.integers(1, 3))), ("worker", workers), ("evaluator", 1)],
            "coordinated": [("chief", 1), ("ps", draw(st.integers(1, 3))), ("worker", workers)],
            "multiworker": [("worker", workers)],
        }[kind]
        roles, gpu_roles = assign_cyclically(counts, nodes), ["worker"] if kind == "coordinated" else ["chief", "worker"]
    of_job = st.lists(st.integers(0, OF_A_NODE - 1), max_size=OF_A_NODE, unique=True).map(sorted)
    on_nodes = [draw(of_job) for _ in range(nodes)]
    binding = draw(st.sampled_from(["", "each", "mask"]))
    known = binding == "mask" or draw(st.booleans())
    vendor = draw(st.sampled_from(sorted(GPUS)))
    exported = draw(st.frozensets(st.sampled_from(EXPORTED)))
    if binding:  # a task is bound by these
        exported |= {GPUS[vendor]} if known else {GPUS[vendor], "SLURM_GPUS_ON_NODE"}
    is_named = bool(exported & {GPUS[vendor], CVD})
    return World(
        roles,
        gpu_roles,
        on_nodes,
        draw(st.booleans()),
        binding,
        known,
        draw(st.sampled_from(["srun", "spawn"])) if nodes == 1 and not binding else "srun",
        draw(st.sampled_from(["index", "uuid", "mig"])) if is_named else "index",
        vendor,
        exported,
        draw(st.sampled_from([0, min(map(len, on_nodes))])),
    )


@settings(max_examples=400, deadline=None)
@given(worlds())
def test_gpus_are_divided_correctly_in_any_world(world: World) -> None:
    divided = world.divided()
    for rank, names in divided.items():
        here = world.nodes[world.roles[rank].node]
        assert names is not None or not world.is_named or not here, "what Slurm names is divided"
        assert set(names or ()) <= set(world.names(rank)), "a task gets no GPU that it can't see"
        if rank in world.users and here and world.is_named:
            assert names, "who computes on GPUs has one where its node has any"
        if rank in world.users and not world.is_named:
            assert names != (), "who may see what nobody names goes on to see it"
    if world.binding:
        assert all(list(divided[rank]) == list(world.names(rank)) for rank in world.users if world.truth(rank))
    for node, here in enumerate(world.nodes):
        on_node = [rank for rank in world.tasks_on(node) if here and divided[rank] is not None]
        users = [rank for rank in on_node if rank in world.users]
        own = {rank: [world.names(rank)[name] for name in divided[rank]] for rank in on_node}
        is_enough = len(here) >= (len(on_node) if world.binding == "each" else len(users))
        if world.binding != "mask" and is_enough:
            taken = [gpu for rank in users for gpu in own[rank]]
            assert len(taken) == len(set(taken)), "none is divided twice where there are enough"
            assert len({len(own[rank]) for rank in users}) <= 1, "all get as many"
        if not world.binding and users:
            taken = [gpu for rank in users for gpu in own[rank]]
            assert not any(set(own[rank]) & set(taken) for rank in on_node if rank not in users)


# --- the variables of the script


@pytest.mark.parametrize(
    ("vendor", "names", "inherited", "expected"),
    [
        ("nvidia", "1", {CVD: "0,1"}, {CVD: "1"}),
        ("nvidia", "MIG-GPU-a/1/0", {}, {CVD: "MIG-GPU-a/1/0"}),
        ("nvidia", "", {CVD: "0"}, {CVD: "", "ROCR_VISIBLE_DEVICES": ""}),
        ("amd", "2,3", {}, {"ROCR_VISIBLE_DEVICES": "2,3"}),
        ("amd", "2,3", {CVD: "0,1,2,3"}, {"ROCR_VISIBLE_DEVICES": "2,3", CVD: "0,1"}),  # HIP counts the remaining ones
        ("amd", "", {}, {CVD: "", "ROCR_VISIBLE_DEVICES": ""}),
    ],
)
def test_variables_show_exactly_the_given_gpus(
    vendor: str, names: str, inherited: dict[str, str], expected: dict[str, str]
) -> None:
    assert build_variables(vendor, tuple(filter(None, names.split(","))), inherited) == expected


@pytest.mark.parametrize(
    ("role", "start", "inherited", "expected"),
    [
        ("worker", {"gpus": ["1"]}, {CVD: "0,1"}, "1"),
        ("worker", {"gpus": []}, {CVD: "0,1"}, ""),
        ("worker", {"gpus": None}, {}, None),
        ("worker", {}, {CVD: "0,1"}, "0,1"),  # started by hand: nothing is divided
        ("ps", {"gpus": ["0", "1"]}, {CVD: "0,1"}, ""),
        ("evaluator", {"gpus": None}, {}, ""),
        ("ps", {}, {CVD: "0"}, ""),
    ],
)
def test_each_task_gets_the_variable_for_its_gpus(
    role: str, start: dict[str, Any], inherited: dict[str, str], expected: str | None
) -> None:
    task = TaskEnvironment(plan(2), RunLayout("/runs/x/x-1"), Role(0, role, 0, 0), start, {})
    assert task.build_variables(inherited).get(CVD) == expected
