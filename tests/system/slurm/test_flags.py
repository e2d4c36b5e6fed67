"""The user's own flags that exclude one of the profile's defaults: sbatch accepts the job, and grants what was requested."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf import MultiWorker
from slurmtf.runs import RunStatus

from .support import Lab, call, get_job, wait_until_ended

pytestmark = pytest.mark.slurm

PROFILE = """
extends: slurm
name: lab
defaults: {memory: 1G, cpus_per_task: 1}
"""
HELLO = 'print("hello")'


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, ["MinMemoryNode=1G", "cpu=1"]),
        ({"mem-per-cpu": "700M"}, ["MinMemoryCPU=700M"]),
        ({"gpus": 1, "mem-per-gpu": "600M"}, ["gres/gpu=1", "mem=600M"]),
        ({"gpus": 2, "cpus-per-gpu": 2}, ["gres/gpu=2", "cpu=4"]),
        ({"mem": "2G", "cpus-per-task": 3}, ["MinMemoryNode=2G", "cpu=3"]),
        ({"time": "UNLIMITED", "partition": "debug"}, ["TimeLimit=UNLIMITED"]),
    ],
)
def test_sbatch_accepts_flags_that_exclude_a_default(
    lab: Lab, flags: dict[str, Any], expected: list[str], tmp_path: Any
) -> None:
    profile = tmp_path / "lab.yaml"
    profile.write_text(PROFILE)
    run = lab.submit(HELLO, compute_target=str(profile), sbatch={**flags, "hold": "time" in flags})
    if "time" not in flags:  # no partition of the test Slurm runs jobs without a limit
        assert wait_until_ended(run)[0].status is RunStatus.COMPLETED
    shown = call("scontrol", "show", "job", get_job(run))
    run.cancel()
    assert [text for text in expected if text not in shown] == []


VISIBLE = """
import os
name = "outputs/{SLURMTF_ROLE}-{SLURMTF_INDEX}.gpus".format(**os.environ)
with open(name, "w") as file:
    file.write(os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))
"""


PER_TASK, TYPED, ON_ALL = {"gpus-per-task": 1}, {"gpus-per-task": "a100:1"}, {"gpu-bind": "none"}


@pytest.mark.parametrize(
    ("variant", "sbatch", "srun", "expected"),
    [
        ("lab", PER_TASK, {}, ["0", "1"]),
        ("lab24", PER_TASK, {}, ["0", "1"]),
        ("lab", TYPED, {}, ["0", "1"]),  # 22.05 assigns none if a type is requested: srun is called without it
        ("lab24", TYPED, {}, ["0", "1"]),
        ("lab", {"gres": "gpu:2"}, ON_ALL, ["unset", "unset"]),
        ("lab24", {"gres": "gpu:2"}, ON_ALL, ["0", "1"]),
        ("lab24", {"tres-per-task": "gres/gpu=1"}, {}, ["0", "1"]),  # 22.05 lacks this flag
        ("lab24", {"gres": "gpu:1"}, {}, ["0", "0"]),
        ("lab24", {"gpus": 2}, {"gpu-bind": "single:1"}, ["0", "1"]),
    ],
)
def test_workers_get_gpus_on_two_releases(
    variant: str, sbatch: dict[str, Any], srun: dict[str, Any], expected: list[str], request: pytest.FixtureRequest
) -> None:
    lab: Lab = request.getfixturevalue(variant)
    run = lab.submit(VISIBLE, distributed_training=MultiWorker(2), cpus_per_task=1, sbatch=sbatch, srun=srun)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED
    assert [file.read_text() for file in sorted((run.folder / "outputs").glob("*.gpus"))] == expected
