"""Flags of the user's own that exclude a default of the profile: sbatch takes the job, and gives what he asked for."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf.runs import RunStatus

from .support import Lab, call, ended, job_of

pytestmark = pytest.mark.slurm

PROFILE = """
extends: slurm
name: lab
defaults: {memory: 1G, cpus_per_task: 1}
"""
HELLO = 'print("hello")'


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({}, ["MinMemoryNode=1G", "cpu=1"]),
        ({"mem-per-cpu": "700M"}, ["MinMemoryCPU=700M"]),
        ({"gpus": 1, "mem-per-gpu": "600M"}, ["gres/gpu=1", "mem=600M"]),
        ({"gpus": 2, "cpus-per-gpu": 2}, ["gres/gpu=2", "cpu=4"]),
        ({"mem": "2G", "cpus-per-task": 3}, ["MinMemoryNode=2G", "cpu=3"]),
        ({"time": "UNLIMITED", "partition": "debug"}, ["TimeLimit=UNLIMITED"]),
    ],
)
def test_sbatch_takes_what_excludes_a_default(lab: Lab, flags: dict[str, Any], told: list[str], tmp_path: Any) -> None:
    profile = tmp_path / "lab.yaml"
    profile.write_text(PROFILE)
    run = lab.submit(HELLO, compute_target=str(profile), sbatch={**flags, "hold": "time" in flags})
    if "time" not in flags:  # no partition of the test Slurm lets a job run without a limit
        assert ended(run)[0].status is RunStatus.COMPLETED
    shown = call("scontrol", "show", "job", job_of(run))
    run.cancel()
    assert [text for text in told if text not in shown] == []
