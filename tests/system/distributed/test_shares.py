"""What a task may use of its node: GPUs by role, threads by CPUs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from tests.patience import until
from tests.system.slurm.support import call

from .examples import Examples

pytestmark = pytest.mark.slurm

LOOK = """
import json, os, time
name = "result-{}-{}".format(os.environ["SLURMTF_ROLE"], os.environ["SLURMTF_INDEX"])
with open("outputs/" + name + ".partial", "w") as file:
    json.dump(dict(os.environ, CPUS=",".join(map(str, sorted(os.sched_getaffinity(0))))), file)
os.rename("outputs/" + name + ".partial", "outputs/" + name + ".json")
while sum(name.endswith(".json") for name in os.listdir("outputs")) < int(os.environ["SLURMTF_WORLD_SIZE"]):
    time.sleep(0.1)
"""
CHIEF = {"backend": "ps", "layout": "chief", "worker_count": 2, "parameter_server_count": 1, "evaluator_count": 1}


@pytest.fixture
def look(tmp_path: Path) -> Path:
    source = tmp_path / "look"
    source.mkdir()
    (source / "look.py").write_text(LOOK)
    (source / "job.yaml").write_text("estimator: TensorFlow\nentry_script: look.py\n")
    return source


def seen(examples: Examples, place: str, look: Path, name: str, **settings: Any) -> dict[str, str | None]:
    """Return the value of a variable in each task."""
    results = examples.start(place, look, sys.executable, **settings).results()
    return {task.removeprefix("result-"): variables.get(name) for task, variables in results.items()}


@pytest.mark.parametrize(("place", "gpu_type"), [("srun", None), ("srun", "a100"), ("mpirun", None)])
def test_workers_of_a_node_split_its_gpus_and_servers_see_none(
    place: str, gpu_type: str | None, examples: Examples, look: Path
) -> None:
    wishes = {"distributed_training": CHIEF, "gpus_per_node": 4, "gpu_type": gpu_type}
    assert seen(examples, place, look, "CUDA_VISIBLE_DEVICES", **wishes) == {
        "chief-0": "0,1",
        "worker-0": "2,3",
        "worker-1": "0,1,2,3",
        "ps-0": "",
        "evaluator-0": "",
    }


def test_gpus_are_split_on_this_machine_as_well(examples: Examples, look: Path) -> None:
    wishes = {"distributed_training": {**CHIEF, "evaluator_count": 0}, "gpus_per_node": 3}
    found = seen(examples, "local", look, "CUDA_VISIBLE_DEVICES", **wishes)
    assert found == {"chief-0": "0", "worker-0": "1", "worker-1": "2", "ps-0": ""}


@pytest.mark.parametrize("place", ["srun", "mpirun"])
@pytest.mark.parametrize(("gpus", "expected"), [("each", ["0,1", "2,3"] * 2), ("all", ["0,1,2,3"] * 4)])
def test_mpi_ranks_get_gpus_as_configured(gpus: str, expected: list[str], place: str, examples: Examples, look: Path) -> None:
    mpi = {"backend": "mpi", "process_count_per_node": 2, "gpus": gpus}
    found = seen(examples, place, look, "CUDA_VISIBLE_DEVICES", distributed_training=mpi, gpus_per_node=4)
    assert [found[f"rank-{rank}"] for rank in range(4)] == expected


TWO_WORKERS: dict[str, Any] = {"distributed_training": {"backend": "multiworker", "worker_count": 2}}
TWO_RANKS: dict[str, Any] = {"distributed_training": {"backend": "mpi", "process_count_per_node": 2, "gpus": "each"}}
SERVED_TWO: dict[str, Any] = {
    "distributed_training": {"backend": "ps", "layout": "original", "worker_count": 2, "parameter_server_count": 1}
}
OF_PROFILE = """
extends: slurm
name: lab
launcher: {mpi: pmix}
directives: {gres: "gpu:1"}
"""


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({**TWO_WORKERS, "sbatch": {"gpus-per-task": 1}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gpus-per-task": "a100:1"}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gpus": 2, "gpu-bind": "none"}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gpus": 2}, "srun": {"gpu-bind": "single:1"}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gres": "gpu:a100:2"}, "srun": {"gpu-bind": "map_gpu:0,1"}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gres": "gpu:a100:2"}, "srun": {"gpu-bind": "map_gpu:1,0"}}, ["1", "0"]),
        ({**TWO_WORKERS, "sbatch": {"gres": "gpu:2"}, "srun": {"gpu-bind": "mask_gpu:0x3,0x3"}}, ["0,1", "0,1"]),
        ({**TWO_WORKERS, "sbatch": {"gres": "gpu:2"}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gres": "gpu:1"}}, ["0", "0"]),
        ({**TWO_WORKERS, "sbatch": {"gres": "gpu:4"}, "srun": {"gres": "gpu:2"}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gpus-per-socket": 2, "sockets-per-node": 1}}, ["0", "1"]),
        ({**TWO_RANKS, "sbatch": {"gpus-per-task": 1}}, ["0", "1"]),
        ({**TWO_RANKS, "sbatch": {"gpus-per-task": 1}, "launcher": "mpirun"}, ["0", "1"]),
        ({**TWO_RANKS, "sbatch": {"gpus-per-node": "a100:2"}}, ["0", "1"]),
        ({**TWO_WORKERS, "sbatch": {"gres": "none"}}, [None, None]),
    ],
)
def test_gpus_requested_by_flags_reach_the_tasks(
    wishes: dict[str, Any], expected: list[str | None], examples: Examples, look: Path
) -> None:
    found = seen(examples, "srun", look, "CUDA_VISIBLE_DEVICES", node_count=1, exclusive=None, **wishes)
    assert [found[task] for task in sorted(found)] == expected


@pytest.mark.parametrize("flags", [{"gpus-per-task": 1}, {"gpus": 3}, {"gres": "gpu:2"}, {"gres": "gpu:1"}])
def test_workers_next_to_a_server_have_gpus_however_requested(flags: dict[str, Any], examples: Examples, look: Path) -> None:
    found = seen(examples, "srun", look, "CUDA_VISIBLE_DEVICES", node_count=1, exclusive=None, sbatch=flags, **SERVED_TWO)
    workers = [found["worker-0"], found["worker-1"]]
    assert found["ps-0"] == ""
    assert all(workers)
    assert len(set(workers)) == (1 if flags == {"gres": "gpu:1"} else 2)


def test_gpus_of_a_profiles_flags_reach_the_tasks(examples: Examples, look: Path, tmp_path: Path) -> None:
    profile = tmp_path / "of-profile.yaml"
    profile.write_text(OF_PROFILE)
    wishes = {"compute_target": str(profile), "node_count": 1, "exclusive": None, **TWO_WORKERS}
    launched = examples.start("srun", look, sys.executable, **wishes)
    assert {task["CUDA_VISIBLE_DEVICES"] for task in launched.results().values()} == {"0"}
    assert "shared-gpus" in str(launched.run.plan["warnings"])


def test_ranks_of_mpirun_share_the_gpus_of_its_daemon(examples: Examples, look: Path) -> None:
    """Slurm applies --gpus-per-task to mpirun's daemons: one on each node but the first, which has none."""
    wishes = {**TWO_RANKS, "sbatch": {"gpus-per-task": 1}, "exclusive": None}
    found = seen(examples, "mpirun", look, "CUDA_VISIBLE_DEVICES", **wishes)
    assert [found[f"rank-{rank}"] for rank in range(4)] == ["0", "1", "0", "0"]


PER_TASK = "extends: slurm\nname: lab\ngpu: {request: gpus-per-task}\n"


def test_a_site_may_request_gpus_by_task_and_type(examples: Examples, look: Path, tmp_path: Path) -> None:
    """srun of Slurm 22.05 assigns no GPU to a task if a type is requested."""
    profile = tmp_path / "per-task.yaml"
    profile.write_text(PER_TASK)
    wishes = {"compute_target": str(profile), "exclusive": None, "use_gpu": True, "gpu_type": "a100", **TWO_WORKERS}
    launched = examples.start("srun", look, sys.executable, **wishes)
    assert "--gpus-per-task=a100:1" in (launched.run.folder / "job.sh").read_text()
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in launched.results().values()] == ["0", "0"]


def test_a_site_with_gpus_by_task_gives_none_to_servers(examples: Examples, look: Path, tmp_path: Path) -> None:
    profile = tmp_path / "per-task.yaml"
    profile.write_text(PER_TASK)
    wishes = {"compute_target": str(profile), "exclusive": None, "use_gpu": True, **SERVED_TWO}
    launched = examples.start("srun", look, sys.executable, **wishes)
    found = {task: variables["CUDA_VISIBLE_DEVICES"] for task, variables in launched.results().items()}
    assert found == {"result-ps-0": "", "result-worker-0": "0", "result-worker-1": "0"}
    assert launched.run.plan["resources"]["gpus_per_node"] == 1
    assert "gpus-per-node" in launched.run.plan["provenance"]["choice"]
    assert allocated(launched.run) == 2


def allocated(run: Run) -> int:
    """Return the number of a job's GPUs, from Slurm's accounting, which has it only a moment after the job's end."""
    query = ("sacct", "-X", "-n", "-P", "-o", "AllocTRES", "-j", str(run.job.job_id))
    return int(until(lambda: re.findall(r"gres/gpu=(\d+)", call(*query)), "the job's GPUs in sacct")[0])


def test_gpus_assigned_by_slurm_are_left_alone(examples: Examples, look: Path) -> None:
    mpi = {"backend": "mpi", "process_count_per_node": 2, "gpus": "each"}
    wishes: dict[str, Any] = {"distributed_training": mpi, "gpus_per_node": 2, "srun": {"gpu-bind": "single:1"}}
    found = seen(examples, "srun", look, "CUDA_VISIBLE_DEVICES", **wishes)
    assert sorted(found.values()) == ["0", "0", "1", "1"]  # type: ignore[type-var]


@pytest.mark.parametrize(("place", "asked"), [("srun", 1), ("srun", 8), ("local", 1)])
def test_threads_follow_the_cpus_of_the_task(place: str, asked: int, examples: Examples, look: Path) -> None:
    workers = {"backend": "multiworker", "worker_count": 2}
    cpus = min(asked, len(os.sched_getaffinity(0)))
    wishes: dict[str, Any] = {"distributed_training": workers, "cpus_per_task": asked}
    launched = examples.start(place, look, sys.executable, **wishes)
    for variables in launched.results().values():
        assert variables["OMP_NUM_THREADS"] == variables["TF_NUM_INTRAOP_THREADS"] == str(cpus)
        assert variables["TF_NUM_INTEROP_THREADS"] == str(max(cpus, 4))


def shares(count: int) -> set[str]:
    """Return this machine's CPUs, in ``count`` equal parts."""
    cpus = sorted(os.sched_getaffinity(0))
    each = len(cpus) // count
    return {",".join(map(str, cpus[turn * each : (turn + 1) * each])) for turn in range(count)}


WORKERS = {"backend": "multiworker", "worker_count": 2}
SERVED = {"backend": "ps", "layout": "original", "worker_count": 1, "parameter_server_count": 1}
MPI = {"backend": "mpi", "process_count_per_node": 2}
CPUS = len(os.sched_getaffinity(0))
OURS = {"node_count": 1, "exclusive": None, "cpus_per_task": CPUS // 2}
"""Slurm gives such a job as many CPUs as this machine has: all CPUs that a task may use belong to its job."""
NOT_OURS = {"node_count": 1, "exclusive": None, "cpus_per_task": 2 if CPUS == 2 else 1}


@pytest.mark.skipif(CPUS not in (2, 4, 6, 8), reason="the test Slurm's nodes have eight CPUs, to be shared by two")
@pytest.mark.parametrize(
    ("place", "distribution", "wishes", "dealt"),
    [
        ("local", WORKERS, {}, False),
        ("local", MPI, {}, False),  # over Gloo
        ("local mpirun", MPI, {}, True),
        ("local", SERVED, {}, False),
        ("srun", WORKERS, OURS, False),
        ("srun", MPI, OURS, True),
        ("mpirun", MPI, OURS, True),
        ("srun", MPI, NOT_OURS, False),  # it is unknown which of the CPUs belong to the job
    ],
)
def test_mpi_ranks_are_bound_to_their_share_of_the_jobs_cpus(
    place: str, distribution: dict[str, Any], wishes: dict[str, Any], dealt: bool, examples: Examples, look: Path
) -> None:
    found = seen(examples, place, look, "CPUS", distributed_training=distribution, **wishes)
    assert set(found.values()) == (shares(2) if dealt else shares(1))


def test_the_users_thread_settings_take_precedence(examples: Examples, look: Path) -> None:
    wishes: dict[str, Any] = {"cpus_per_task": 2, "environment_variables": {"OMP_NUM_THREADS": 7}}
    assert seen(examples, "local", look, "OMP_NUM_THREADS", **wishes) == {"main-0": "7"}


def test_legacy_keras_is_one_setting(examples: Examples, look: Path, tf_newest: Path) -> None:
    (set_,) = examples.start("local", look, str(tf_newest), legacy_keras=True).results().values()
    (unset,) = examples.start("local", look, str(tf_newest)).results().values()
    assert (set_.get("TF_USE_LEGACY_KERAS"), unset.get("TF_USE_LEGACY_KERAS")) == ("1", None)
