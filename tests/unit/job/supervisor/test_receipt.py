"""What an attempt records about itself in the run's receipt."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.job.contract import variables as var
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.job.supervisor.receipt import build_attempt


@pytest.mark.parametrize(
    ("output", "version"),
    [("slurm 23.02.7", "23.02.7"), ("slurm-wlm 22.05.8", "22.05.8"), ("", "")],
    ids=["SchedMD", "Debian", "-"],
)
def test_version_of_slurm_is_a_number(output: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f"#!/bin/sh\necho '{output}'\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)))
    assert build_attempt(plan, {var.SLURM_JOB_ID: "7"})["slurm"] == version


NVIDIA = "NVIDIA A100-SXM4-40GB, 535.104.05, 40960 MiB\nNVIDIA A100-SXM4-40GB, 535.104.05, 40960 MiB\n"
A100 = {"name": "NVIDIA A100-SXM4-40GB", "driver": "535.104.05", "memory": "40960 MiB"}
AMD = "device,Card series,Driver version\ncard0,MI250X,6.3.6\n"


@pytest.mark.parametrize(
    ("gpus", "vendor", "output", "status", "expected"),
    [
        (2, "nvidia", NVIDIA, 0, [A100, A100]),
        (1, "amd", AMD, 0, [{"name": "card0,MI250X,6.3.6"}]),
        (0, "nvidia", NVIDIA, 0, []),  # a node's GPUs are not the job's
        (1, "nvidia", "NVIDIA-SMI has failed because it couldn't communicate with the driver\n", 9, []),
        (1, "nvidia", "", 0, []),
    ],
)
def test_gpus_are_read_with_the_tool_of_the_jobs_vendor(
    gpus: int, vendor: str, output: str, status: int, expected: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia-smi", "rocm-smi"):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s' \"{output}\"\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), Size(gpus_per_node=gpus), gpu_vendor=vendor)
    assert build_attempt(plan, {})["gpus"] == expected
