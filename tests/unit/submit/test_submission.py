"""Where a submission puts its run, and which variables of the surrounding run or job it passes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import WorkspaceError
from slurmtf.job.common import identity, wire
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import DataInput, Distribution, JobPlan, Run, Size
from slurmtf.job.contract.roles import Role
from slurmtf.job.script import sitecustomize as hook
from slurmtf.job.supervisor.gloo import build_gloo_variables
from slurmtf.job.task.environment import TaskEnvironment
from slurmtf.runs.workspaces.workspace import resolve_workspace
from slurmtf.scheduler.environ import remove_job_variables, remove_run_variables
from slurmtf.scheduler.slurm.executor import find_variable_changes
from tests.unit.support import refusing

# --- the workspace


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("SLURMTF_WORKSPACE", raising=False)
    monkeypatch.delenv("NOWHERE", raising=False)


def test_variables_stay_literal_in_names_that_a_shell_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_workspace("$HOME/runs", "/data/$HOME/$NOWHERE") == Path("/data/$HOME/$NOWHERE")
    assert resolve_workspace("/data/${HOME}x") == Path("/data/home/adax")
    monkeypatch.setenv("SLURMTF_WORKSPACE", "$HOME/mine")
    assert resolve_workspace("/data") == Path("/home/ada/mine")
    monkeypatch.setenv("SLURMTF_WORKSPACE", "$NOWHERE/mine")
    with refusing(WorkspaceError, "variable-unset"):
        resolve_workspace("/data")


def test_a_tilde_is_the_home_folder_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_workspace(None, "~/runs") == resolve_workspace("~/runs") == Path("/home/ada/runs")
    assert resolve_workspace(None) == Path("/home/ada/slurmtf-runs")
    monkeypatch.setenv("SLURMTF_WORKSPACE", "~/mine")
    assert resolve_workspace(None) == Path("/home/ada/mine")
    assert resolve_workspace(None, "/data/~x") == Path("/data/~x")


# --- what is passed on

PLAN = JobPlan(
    Run("x-1", "x"),
    "slurm",
    Distribution((("worker", 2),), cluster=True, check_world=True),
    Size(tasks=2, cpus_per_task=1),
    "srun",
    inputs=(DataInput("DATA", "/data", "mount"),),
)
USERS = {"PATH": "/bin", "SLURMTF_WORKSPACE": "/w", "SLURMTF_SITE": "here", "HOROVOD_FUSION_THRESHOLD": "1", "TF_X": "2"}


def in_a_run(**users: str) -> dict[str, str]:
    """Return the variables that the script of a worker sees."""
    start = {"cluster": {"worker": ["a:1", "b:2"], "ps": ["c:3"]}, "variables": build_gloo_variables("a", 1), "local_rank": 0}
    environment = TaskEnvironment(PLAN, RunLayout("/runs/x/x-1"), Role(0, "worker", 0, 0), start, {})
    left = dict.fromkeys((identity.OWN_RANK, wire.ADDRESS, wire.KEY, hook.CONFIG_FILE), "x")
    return {**environment.build_variables(users), **left}


def test_no_variable_of_a_run_is_passed_to_the_next_one() -> None:
    path = {"PYTHONPATH": "/mine:/runs/x/x-1:/other"}
    seen = in_a_run(**USERS, **path)
    assert seen["PYTHONPATH"].startswith("/runs/x/x-1/")
    assert {name: value for name, value in remove_run_variables(seen).items() if name != "PYTHONUNBUFFERED"} == {
        **USERS,
        **path,
    }
    assert "PYTHONPATH" not in remove_run_variables(in_a_run(**USERS))


def test_the_folder_of_a_launch_is_not_passed_to_the_next_run() -> None:
    trial = "/runs/x/x-1/trials/7"
    seen = {**in_a_run(), "SLURMTF_LAUNCH_FOLDER": trial, "PYTHONPATH": f"/runs/x/x-1/hook:{trial}/work:/mine"}
    assert remove_run_variables(seen)["PYTHONPATH"] == "/mine"


def test_outside_a_run_all_variables_are_the_users() -> None:
    users = {**USERS, "TF_CONFIG": "{}", "OMP_NUM_THREADS": "4", "PYTHONPATH": "::/a", "CUDA_VISIBLE_DEVICES": "1"}
    assert remove_run_variables(users) == remove_job_variables(users) == users
    assert find_variable_changes(users, ["time"]) == ([], {})


def test_a_local_run_keeps_the_slurm_configuration_but_not_the_allocation() -> None:
    inside = {**USERS, "SLURM_JOB_ID": "1", "PMIX_RANK": "0", "SLURM_CONF": "/etc/slurm.conf", "CUDA_VISIBLE_DEVICES": "1"}
    assert remove_job_variables(inside) == {**USERS, "SLURM_CONF": "/etc/slurm.conf", "CUDA_VISIBLE_DEVICES": "1"}


def test_the_gpus_of_a_local_run_are_not_passed_on() -> None:
    """It has no SLURM_JOB_ID: its folder shows that it is a run."""
    seen = {**in_a_run(**USERS), "CUDA_VISIBLE_DEVICES": "0", "ROCR_VISIBLE_DEVICES": "0"}
    assert "SLURM_JOB_ID" not in seen
    assert {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"} <= set(find_variable_changes(seen, ["time"])[0])


def test_variables_are_dropped_for_sbatch() -> None:
    seen = {**in_a_run(**USERS, PYTHONPATH="/mine"), "SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0", "SLURM_CONF": "/c"}
    dropped, changed = find_variable_changes(seen, ["time"])
    assert changed == {"PYTHONPATH": "/mine"}
    assert {"TF_CONFIG", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURMTF_RUN_FOLDER"} <= set(dropped)
    assert not {*USERS, "SLURM_CONF", "PYTHONPATH"} & set(dropped)
