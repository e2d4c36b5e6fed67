"""What an attempt says of itself in the run's receipt."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.job.contract import variables as var
from slurmtf.job.contract.plan import Distribution, JobPlan, Run
from slurmtf.job.supervisor.receipt import attempt


@pytest.mark.parametrize(
    ("told", "version"),
    [("slurm 23.02.7", "23.02.7"), ("slurm-wlm 22.05.8", "22.05.8"), ("", "")],
    ids=["SchedMD", "Debian", "-"],
)
def test_slurm_s_version_is_a_number(told: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f"#!/bin/sh\necho '{told}'\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)))
    assert attempt(plan, {var.SLURM_JOB_ID: "7"})["slurm"] == version
