"""Runs that start again: at the time limit, after a preemption, by requeue where that is allowed, by another job where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run, RunStatus

from .support import HELLO, Lab, call, ended, files, here, job_of, journal, log, until

pytestmark = pytest.mark.slurm

COUNTS = """
import os, pathlib, sys, time
attempt = os.environ["SLURMTF_ATTEMPT"]
print("attempt", attempt, "finds", sorted(path.name for path in pathlib.Path("outputs").glob("of-*")), flush=True)
pathlib.Path("outputs/of-" + attempt).touch()
if attempt == "1":
    pathlib.Path("outputs/here").touch()
    time.sleep(300)
"""
# Does nothing but look whether it has been told, in its first attempt.
ASKS = """
import os, time
from slurmtf import Run
print("attempt", os.environ["SLURMTF_ATTEMPT"], flush=True)
while os.environ["SLURMTF_ATTEMPT"] == "1" and not Run.get_context().should_stop():
    time.sleep(0.2)
"""
TOLD: dict[str, Any] = {"node_count": 2, "distributed_backend": "mpi", "notice": {"before": 10, "signal": "SIGUSR1"}}
BY_REQUEUE, BY_JOB = {"nodelist": "node1"}, {"nodelist": "node1", "no-requeue": True}
LIMITED: dict[str, Any] = {"partition": "short", "time": 1, "restarts": {"time-limit": 2}}
PREEMPTIBLE: dict[str, Any] = {"partition": "low", "exclusive": True, "restarts": {"preempted": "unlimited", "time-limit": 1}}


def decided(run: Run) -> list[tuple[str, str, int, Any]]:
    return [(one["how"], one["why"], one["number"], one["at_most"]) for one in journal(run) if one["event"] == "restart"]


def test_runs_go_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    limited = [lab.submit(COUNTS, sbatch=flags, **LIMITED) for flags in (BY_REQUEUE, BY_JOB)]
    told = [lab.submit(ASKS, launcher=launcher, **TOLD, **LIMITED) for launcher in ("srun", "mpirun")]
    returning = lab.submit(COUNTS, sbatch={"nodelist": "node2"}, **PREEMPTIBLE)
    thrown_out = lab.submit(COUNTS, sbatch={"nodelist": "node3", "no-requeue": True}, **PREEMPTIBLE)
    here(*limited, returning, thrown_out)
    first = {run.id: job_of(run) for run in (*limited, returning, thrown_out)}
    urgent = [lab.submit(HELLO, partition="high", exclusive=True, sbatch={"nodelist": node}) for node in ("node2", "node3")]
    for run, how in ((returning, "return"), (thrown_out, "resubmit")):
        until(lambda run=run: decided(run), "a decision")  # type: ignore[misc]
        assert decided(run) == [(how, "preempted", 2, None)]
    assert not returning.state.status.final
    assert "attempt    2" in lab.slurmtf("status", returning.id).stdout

    ended(*urgent)
    for run, state in zip((*limited, returning, thrown_out), ended(*limited, returning, thrown_out), strict=True):
        assert state.status is RunStatus.COMPLETED, (run.id, journal(run), Path(run.layout.job_log).read_text())
        assert log(run) == "attempt 1 finds []\nattempt 2 finds ['of-1']\n"
    for run, state in zip(told, ended(*told), strict=True):
        assert state.status is RunStatus.COMPLETED, (run.id, journal(run), Path(run.layout.job_log).read_text())
        assert decided(run) == [("requeue", "time-limit", 2, 3)]
        assert [one["cause"] for one in journal(run) if one["event"] == "noticed"] == ["time-limit"]
        assert [one["detail"] for one in journal(run) if one["event"] == "ended"] == [{"noticed": True}, {}]
        assert [log(run, f"rank-{rank}.out") for rank in range(2)] == ["attempt 1\nattempt 2\n"] * 2
    by_requeue, by_job = limited
    assert decided(by_requeue) == [("requeue", "time-limit", 2, 3)]
    assert decided(by_job) == [("resubmit", "time-limit", 2, 3)]
    assert [job_of(run) == first[run.id] for run in (by_requeue, by_job, returning, thrown_out)] == [True, False, True, False]
    for run in (by_job, thrown_out):
        was, now = (json.loads(line) for line in Path(run.layout.jobs).read_text().splitlines())
        assert (now["ref"]["job_id"], now["why"]) == (job_of(run), "restart")
        assert {**now, "ref": was["ref"], "submitted": 0, "why": ""} == {**was, "submitted": 0, "why": ""}
        assert run.job.done(force_check=True)
        assert run.job.result()["exit_code"] == 0
    partitions = call("sacct", "-n", "-X", "-P", "-o", "Partition,Timelimit", "-j", job_of(by_job))
    assert set(partitions.splitlines()) == {"short|00:01:00"}
    assert lab.data("status", by_job.id)["again"]["why"] == "time-limit"


def test_a_canceled_run_does_not_start_again(lab: Lab) -> None:
    run = lab.submit(COUNTS, **PREEMPTIBLE)
    here(run)
    run.cancel()
    (state,) = ended(run)
    assert (state.status, state.again, decided(run)) == (RunStatus.CANCELED, None, [])
    assert "outputs/of-2" not in files(run.folder)
