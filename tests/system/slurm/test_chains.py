"""Runs that follow others, on the real Slurm: by run, whatever has become of its job."""

from __future__ import annotations

import pytest

from slurmtf import Run
from slurmtf.job.contract.outcome import Cause
from slurmtf.runs.state import RunStatus

from .support import HELLO, Lab, call, ended, facts, findings, job_of

pytestmark = pytest.mark.slurm

FAILS = "import sys\nsys.exit(5)\n"


def after(lab: Lab, script: str, *names: str) -> Run:
    flags = [word for name in names for word in ("--after", name)]
    done = lab.slurmtf("submit", str(lab.source(script) / "train.py"), "-s", "slurm", "-x", "lab", *flags)
    assert done.returncode == 0, done.stderr
    return Run.find(done.stdout.strip(), lab.workspace)


def test_a_run_that_follows_others(lab: Lab) -> None:
    first = lab.submit(HELLO, sbatch={"hold": True})
    second = after(lab, HELLO, first.id)
    third = after(lab, FAILS, f"{second.id}:any", "last")
    last = after(lab, HELLO, f"{third.id}:notok")
    assert facts(job_of(second))["Dependency"].startswith(f"afterok:{job_of(first)}")
    call("scontrol", "release", job_of(first))
    states = ended(first, second, third, last)
    assert [state.status for state in states] == [
        RunStatus.COMPLETED, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.COMPLETED,
    ]  # fmt: skip
    starts = [state.started or 0 for state in states]
    assert starts == sorted(starts)


def test_what_can_not_be_followed_any_more(lab: Lab) -> None:
    held = lab.submit(FAILS, sbatch={"hold": True})
    follower = after(lab, HELLO, held.id)
    call("scontrol", "release", job_of(held))
    ended(held)
    (state,) = ended(follower)
    assert (state.status, state.cause) == (RunStatus.CANCELED, Cause.DEPENDENCY)
    assert held.id in state.message
    before = sorted(lab.workspace.glob("lab/*"))
    refused = lab.slurmtf(
        "submit", str(lab.source(HELLO) / "train.py"), "-s", "slurm", "-x", "lab", "--after", held.id, "--json"
    )
    assert [one["code"] for one in findings(refused)] == ["never-starts"]
    assert sorted(lab.workspace.glob("lab/*")) == before
