"""What a task derives from its order: its rank, its TF_CONFIG, a full node disk, and its end together with its agent."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.common import identity
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder, Run, Size
from slurmtf.job.contract.roles import Role
from slurmtf.job.script import sitecustomize as hook
from slurmtf.job.staging.staging import Stager
from slurmtf.job.task.environment import TaskEnvironment
from tests.patience import until

ROOT = Path(__file__).parents[4]

# --- rank: that of the nearest launcher counts


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, 0),
        ({"SLURM_PROCID": "3"}, 3),
        ({"OMPI_COMM_WORLD_RANK": "2", "SLURM_PROCID": "0"}, 2),  # under mpirun: Slurm's rank is that of the daemon
        ({"MV2_COMM_WORLD_RANK": "2", "SLURM_PROCID": "0"}, 2),
        ({"PMIX_RANK": "2", "SLURM_PROCID": "0"}, 2),
        ({"PMI_RANK": "2", "SLURM_PROCID": "0"}, 2),
        ({"OMPI_COMM_WORLD_RANK": "0", "SLURM_PROCID": "5"}, 0),
        ({"OMPI_COMM_WORLD_RANK": "2", "PMIX_RANK": "7", "PMI_RANK": "8"}, 2),
        ({identity.OWN_RANK: "1", "OMPI_COMM_WORLD_RANK": "2", "SLURM_PROCID": "3"}, 1),
        ({"PMIX_RANK": "", "SLURM_PROCID": "3"}, 3),
        ({"PMIX_RANK": "x", "SLURM_PROCID": "3"}, 3),
    ],
)
def test_the_rank_is_that_of_the_nearest_launcher(environ: dict[str, str], rank: int) -> None:
    assert identity.get_rank(environ) == rank


@pytest.mark.parametrize(
    ("environ", "name", "element", "attempt"),
    [
        ({"SLURM_JOB_ID": "33"}, "33", None, 0),
        ({"SLURM_JOB_ID": "35", "SLURM_ARRAY_JOB_ID": "33", "SLURM_ARRAY_TASK_ID": "4"}, "33_4", 4, 0),
        ({"SLURM_JOB_ID": "33", "SLURM_ARRAY_TASK_ID": "4"}, "33", None, 0),
        ({"SLURM_JOB_ID": "33", "SLURM_RESTART_COUNT": "2"}, "33", None, 2),
        ({"SLURM_JOB_ID": "33", "SLURM_RESTART_COUNT": ""}, "33", None, 0),
    ],
)
def test_a_job_has_the_name_that_slurm_gives_it(environ: dict[str, str], name: str, element: int | None, attempt: int) -> None:
    assert (identity.get_job_name(environ), identity.get_element(environ), identity.count_requeues(environ)) == (
        name,
        element,
        attempt,
    )


# --- TF_CONFIG: ours, unless the user set one; one inherited from the shell does not count

OURS = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}, "environment": "cloud"}
LONG = {"worker": [f"node{number:06}.example.org:12345" for number in range(5000)]}


def variables(
    tmp_path: Path, users: dict[str, str] | None = None, inherited: dict[str, str] | None = None, hosts: Any = None
) -> dict[str, str]:
    layout = RunLayout(str(tmp_path))
    Path(layout.hook).mkdir(parents=True, exist_ok=True)
    plan = JobPlan(
        Run("x-1", "x"), "slurm", Distribution((("worker", 2),), cluster=True), Size(tasks=2), "srun", variables=users or {}
    )
    start = {"cluster": hosts or OURS["cluster"], "local_rank": 0}
    return TaskEnvironment(plan, layout, Role(0, "worker", 0, 0), start, {}).build_variables(inherited or {})


def test_a_task_gets_the_cluster_as_tf_config(tmp_path: Path) -> None:
    assert json.loads(variables(tmp_path)["TF_CONFIG"]) == OURS
    assert json.loads(variables(tmp_path, inherited={"TF_CONFIG": '{"of": "the shell"}'})["TF_CONFIG"]) == OURS


@pytest.mark.parametrize("hosts", [None, LONG])
def test_the_users_own_tf_config_wins(hosts: Any, tmp_path: Path) -> None:
    """Even if ours is too long for a variable and is passed in a file that the script's Python reads."""
    own = '{"of": "the user"}'
    found = variables(tmp_path, {"TF_CONFIG": own}, hosts=hosts)
    assert (found["TF_CONFIG"], hook.CONFIG_FILE in found) == (own, False)


def of_task(tmp_path: Path, rank: int, **settings: Any) -> dict[str, str]:
    """Return the variables of one of two MPI ranks."""
    settings = {"size": Size(tasks=2), **settings}
    plan = JobPlan(
        Run("x-1", "x"), "slurm", Distribution((("rank", 2),), backend="mpi"), launcher="srun", is_step=True, **settings
    )
    return TaskEnvironment(plan, RunLayout(str(tmp_path)), Role(rank, "rank", rank, rank), {}, {}).build_variables({})


@pytest.mark.parametrize(("rank", "autolog", "expected"), [(0, "keras", "keras"), (1, "keras", None), (0, "", None)])
def test_one_rank_logs_the_metrics_of_a_library(tmp_path: Path, rank: int, autolog: str, expected: str | None) -> None:
    assert of_task(tmp_path, rank, autolog=autolog).get("SLURMTF_AUTOLOG") == expected


@pytest.mark.parametrize(("asked", "allowed", "threads"), [(2, 4, "2"), (8, 4, "4"), (None, 4, None)])
def test_threads_are_limited_to_what_the_kernel_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, allowed: int, threads: str | None
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(allowed)))
    found = of_task(tmp_path, 0, size=Size(tasks=2, cpus_per_task=asked))
    assert found.get("OMP_NUM_THREADS") == found.get("TF_NUM_INTRAOP_THREADS") == threads


def test_a_cluster_too_long_for_a_variable_is_passed_in_a_file(tmp_path: Path) -> None:
    found = variables(tmp_path, hosts=LONG)
    assert "TF_CONFIG" not in found
    assert json.loads(Path(found[hook.CONFIG_FILE]).read_text(encoding="utf-8"))["cluster"] == LONG
    assert all(var.does_fit(name, value) for name, value in found.items())


# --- a full node disk: what can be used from the shared folder is


@pytest.mark.parametrize(
    ("number", "shared"),
    [
        (errno.ENOSPC, True),
        (errno.EDQUOT, True),
        (errno.EFBIG, True),
        (errno.EACCES, False),
        (errno.EIO, False),
        (errno.ENOENT, False),
    ],
)
def test_a_full_disk_falls_back_to_the_shared_copy(number: int, shared: bool, tmp_path: Path) -> None:
    target, plan = tmp_path / "env", JobPlan(Run("x-1", "x"), "slurm", Distribution(()), Size(), "srun")
    stager = Stager(plan, RunLayout(str(tmp_path)), str(tmp_path))

    def bring() -> None:
        target.mkdir()
        (target / "half").write_text("", encoding="utf-8")
        raise OSError(number, os.strerror(number))

    if not shared:
        with pytest.raises(OSError, match=os.strerror(number)):
            stager._try_to_stage("environment", 1, str(target), bring)
        return
    assert stager._try_to_stage("environment", 1, str(target), bring) is None
    assert not target.exists()
    assert len(stager._warnings) == 1


# --- children of a killed process of ours

STARTS = """
import os, sys, time
from slurmtf.job.build.work import Work
from slurmtf.job.common.process import Child
from slurmtf.job.contract.environments.claim import Claim
from slurmtf.job.contract.environments.store import StoreLayout
started = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(3600)"]
def task():
    Child(started, "/", {})
    time.sleep(3600)
def build():
    store = StoreLayout(sys.argv[2])
    store.prepare()
    Work(store, "x", Claim(sys.argv[2] + "/claim"))._execute(started, "/", {}, None)
{"task": task, "build": build}[sys.argv[1]]()
"""


@pytest.mark.parametrize("program", ["task", "build"])
def test_a_process_does_not_outlive_its_killed_parent(tmp_path: Path, program: str) -> None:
    command = [sys.executable, "-c", STARTS, program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as ours:
        pid = int(ours.stdout.readline()) if ours.stdout else 0
        ours.kill()
    until(lambda: not alive(pid), "the end of what it had started")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_trial_looks_like_its_own_run_to_its_script_and_other_trackers() -> None:
    job = JobPlan(Run("tune-1", "tune"), "slurm", Distribution((("main", 1),)), Size(1, 1, 1))
    role, layout = Role(0, "main", 0, 0), RunLayout("/runs/tune-1")
    of_trial = LaunchOrder(variables={var.SLURMTF_TRIAL: "3"}, folder="trials/3")
    for order, name in ((LaunchOrder(), "tune-1"), (of_trial, "tune-1_3")):
        found = TaskEnvironment(job, layout, role, {}, {}, order).build_variables({})
        values = [found[name] for name in (var.SLURMTF_RUN_ID, var.WANDB_RUN_GROUP, var.COMET_START_EXPERIMENT_TAGS)]
        assert values == [name] * 3
        assert found[var.SLURMTF_RUN_FOLDER] == "/runs/tune-1"


@pytest.mark.parametrize(
    ("order", "resumed", "seed"),
    [
        ({}, "/runs/earlier/outputs", "plan"),
        ({"SEED": "order"}, "/runs/earlier/outputs", "order"),
        ({var.SLURMTF_ATTEMPT: "1"}, "/runs/earlier/outputs", "plan"),
        ({var.SLURMTF_ATTEMPT: "2"}, "own", "plan"),
        ({var.SLURMTF_ATTEMPT: "2", "SEED": "order"}, "empty", "order"),
    ],
)
def test_variables_of_a_launch_override_those_of_its_plan(
    tmp_path: Path, order: dict[str, str], resumed: str, seed: str
) -> None:
    """From the second attempt on, it resumes from its own outputs if there are any."""
    layout = RunLayout(str(tmp_path / "x-1"))
    Path(layout.outputs).mkdir(parents=True)
    if resumed == "own":
        Path(layout.outputs, "checkpoint").touch()
    job = JobPlan(
        Run("x-1", "x"),
        "slurm",
        Distribution((("main", 1),)),
        Size(),
        variables={"SEED": "plan"},
        resume_from="/runs/earlier/outputs",
    )
    found = TaskEnvironment(job, layout, Role(0, "main", 0, 0), {}, {}, LaunchOrder(variables=order)).build_variables({})
    assert found["SEED"] == seed
    assert found[var.SLURMTF_RESUME_FROM] == (layout.outputs if resumed == "own" else "/runs/earlier/outputs")
