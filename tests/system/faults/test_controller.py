"""Slurm that says nothing for a while, in every phase of a run; what it and others do in between; nodes that are lost then."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Mpi, Run, RunStatus
from slurmtf.job.contract.outcome import Cause
from tests.cluster import Cluster
from tests.system.slurm.support import (
    COMMAND,
    HELLO,
    WAIT,
    call,
    ended,
    facts,
    first_in_path,
    here,
    job_of,
    journal,
    log,
    program,
    until,
)

from .support import Faults, label_host, playing, the

pytestmark = pytest.mark.slurm

SILENCE_S = 25
"""Longer than any command of Slurm waits for an answer here (MessageTimeout), and than the supervisor waits for it."""
# Waits for a file, and then does as its first argument says.
GATED = """
import os, pathlib, sys, time
pathlib.Path("outputs/here").touch()
while os.environ["SLURMTF_ATTEMPT"] == "1" and not pathlib.Path("outputs/gate").exists():
    time.sleep(0.1)
print("attempt", os.environ["SLURMTF_ATTEMPT"], flush=True)
sys.exit(sys.argv[1] if os.environ["SLURMTF_ATTEMPT"] == "1" and sys.argv[1:] else 0)
"""
TWICE = "attempt 1\nattempt 2\n"
RANKS = "first_time() and stay()"


def decided(run: Run) -> list[tuple[str, str]]:
    return [(one["how"], one["cause"]) for one in journal(run) if one["event"] == "restart"]


def started(faults: Faults, *argv: str) -> subprocess.Popen[str]:
    own = ["--workspace", str(faults.lab.workspace)] if argv[0] == "submit" else []
    return subprocess.Popen([COMMAND, *argv, *own, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_silent_controller(slurm: Cluster, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """While runs are submitted, launched again in their allocation, end, are to be requeued, or canceled."""
    lab = faults.lab
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(lab.workspace))
    ends = lab.submit(GATED)
    launched = lab.submit(GATED, script_params=["failed"], restarts={"script": 1}, launcher="srun")
    requeued = lab.submit(GATED, restarts={"node-failure": 1})
    unwanted = lab.submit(WAIT)
    here(ends, launched, requeued, unwanted)
    script = str(lab.source(HELLO) / "train.py")
    with slurm.silent_controller():
        began = time.monotonic()
        cancel, submit = started(faults, "cancel", unwanted.id), started(faults, "submit", script, "-s", "slurm", "-x", "lab")
        for run in (ends, launched):
            (run.folder / "outputs/gate").touch()
        the(requeued, "task").kill()
        until(lambda: time.monotonic() - began > SILENCE_S, "a while", 2 * SILENCE_S)
        assert [one["event"] for one in journal(ends)][-1] == "ended"
    outs = [json.loads(process.communicate(timeout=90)[0]) for process in (cancel, submit)]
    states = ended(ends, launched, requeued)
    assert [state.status for state in states] == [RunStatus.COMPLETED] * 3, (states, journal(launched), journal(requeued))
    assert log(launched) == log(requeued) == TWICE[: len(TWICE)] or log(requeued) == "attempt 2\n"
    assert decided(launched) == [("launch", "script")]
    assert decided(requeued) == [("requeue", "task-lost")]
    for told in outs:
        assert told["ok"] or told["error"]["exit_code"] == 3, told
    if not outs[0]["ok"]:
        unwanted.cancel()
    assert ended(unwanted)[0].status is RunStatus.CANCELED
