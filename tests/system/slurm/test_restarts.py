"""Runs that restart at the time limit or after a preemption: by a requeue if that is allowed, otherwise by another job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run, RunStatus
from slurmtf.job.contract.attempt.outcome import Cause
from tests.cluster import Cluster
from tests.patience import until

from .support import (
    HELLO,
    Lab,
    call,
    get_job,
    log,
    prepend_to_path,
    read_files,
    read_journal,
    wait_until_ended,
    wait_until_started,
    write_program,
)

pytestmark = pytest.mark.slurm

COUNTS = """
import os, pathlib, sys, time
attempt = os.environ["SLURMTF_ATTEMPT"]
print("attempt", attempt, "finds", sorted(path.name for path in pathlib.Path("outputs").glob("of-*")), flush=True)
pathlib.Path("outputs/of-" + attempt).touch()
if attempt == "1":
    pathlib.Path("outputs/here").touch()
    time.sleep(3600)
"""
# In its first attempt, waits until it is noticed.
ASKS = """
import os, time
from slurmtf import Run
print("attempt", os.environ["SLURMTF_ATTEMPT"], flush=True)
while os.environ["SLURMTF_ATTEMPT"] == "1" and not Run.get_context().should_stop():
    time.sleep(0.2)
"""
# The same, and prints which signals it got.
HEARS = """
import os, pathlib, signal, time
from slurmtf import Run
rank, heard = os.environ["SLURMTF_RANK"], []
signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
pathlib.Path("outputs/here-" + rank).touch()
while os.environ["SLURMTF_ATTEMPT"] == "1" and not Run.get_context().should_stop():
    time.sleep(0.1)
time.sleep(1)
print("attempt", os.environ["SLURMTF_ATTEMPT"], heard, flush=True)
"""
LAUNCHERS = {"srun": 2, "mpirun": 2, "mpiexec": 2, "ibrun": 2, "spawn": 1, "none": 1}
"""Launchers, with the number of nodes for each."""
NOTICE: dict[str, Any] = {"node_count": 2, "distributed_backend": "mpi", "notice": {"before": 10, "signal": "SIGUSR1"}}
BY_REQUEUE, BY_JOB = {"nodelist": "node1"}, {"nodelist": "node1", "no-requeue": True}
LIMITED: dict[str, Any] = {"partition": "short", "time": 1, "restarts": {"time-limit": 2}}
PREEMPTIBLE: dict[str, Any] = {"partition": "low", "exclusive": True, "restarts": {"preempted": "unlimited", "time-limit": 1}}


def decided(run: Run) -> list[tuple[str, str, int, Any]]:
    return [(one["how"], one["why"], one["number"], one["at_most"]) for one in read_journal(run) if one["event"] == "restart"]


def test_runs_go_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    limited = [lab.submit(COUNTS, sbatch=flags, **LIMITED) for flags in (BY_REQUEUE, BY_JOB)]
    noticed = [lab.submit(ASKS, launcher=launcher, **NOTICE, **LIMITED) for launcher in ("srun", "mpirun")]
    returning = lab.submit(COUNTS, sbatch={"nodelist": "node2"}, **PREEMPTIBLE)
    thrown_out = lab.submit(COUNTS, sbatch={"nodelist": "node3", "no-requeue": True}, **PREEMPTIBLE)
    wait_until_started(*limited, returning, thrown_out)
    followers = [lab.submit(HELLO, after=[run]) for run in limited]
    never = lab.submit(HELLO, after=[f"{limited[1].id}:notok"])
    first = {run.id: get_job(run) for run in (*limited, returning, thrown_out)}
    urgent = [lab.submit(HELLO, partition="high", exclusive=True, sbatch={"nodelist": node}) for node in ("node2", "node3")]
    for run, how in ((returning, "return"), (thrown_out, "resubmit")):
        until(lambda run=run: decided(run), "a decision")  # type: ignore[misc]
        assert decided(run) == [(how, "preempted", 2, None)]
    assert not returning.state.status.final
    assert "attempt    2" in lab.slurmtf("status", returning.id).stdout

    wait_until_ended(*urgent)
    for run, state in zip((*limited, returning, thrown_out), wait_until_ended(*limited, returning, thrown_out), strict=True):
        assert state.status is RunStatus.COMPLETED, (run.id, read_journal(run), Path(run.layout.job_log).read_text())
        assert log(run) == "attempt 1 finds []\nattempt 2 finds ['of-1']\n"
    for run, state in zip(noticed, wait_until_ended(*noticed), strict=True):
        assert state.status is RunStatus.COMPLETED, (run.id, read_journal(run), Path(run.layout.job_log).read_text())
        assert decided(run) == [("requeue", "time-limit", 2, 3)]
        ((cause, left),) = ((one["cause"], one["left_s"]) for one in read_journal(run) if one["event"] == "noticed")
        assert (cause, left <= NOTICE["notice"]["before"]) == ("time-limit", True)  # until slurmtf's own end, not Slurm's limit
        assert [one["detail"] for one in read_journal(run) if one["event"] == "ended"] == [{"noticed": True}, {}]
        assert [log(run, f"rank-{rank}.out") for rank in range(2)] == ["attempt 1\nattempt 2\n"] * 2
    by_requeue, by_job = limited
    assert decided(by_requeue) == [("requeue", "time-limit", 2, 3)]
    assert decided(by_job) == [("resubmit", "time-limit", 2, 3)]
    assert [get_job(run) == first[run.id] for run in (by_requeue, by_job, returning, thrown_out)] == [True, False, True, False]
    for run in (by_job, thrown_out):
        was, now = (json.loads(line) for line in Path(run.layout.jobs).read_text().splitlines())
        assert (now["ref"]["job_id"], now["why"]) == (get_job(run), "restart")
        assert {**now, "ref": was["ref"], "submitted": 0, "why": ""} == {**was, "submitted": 0, "why": ""}
        assert run.job.done(force_check=True)
        assert run.job.result()["exit_code"] == 0
    for run, follower in zip(limited, wait_until_ended(*followers), strict=True):
        assert follower.status is RunStatus.COMPLETED
        assert (follower.started or 0) >= (run.state.ended or 0) > 0
    assert wait_until_ended(never)[0].cause is Cause.DEPENDENCY
    partitions = ("sacct", "-n", "-X", "-P", "-o", "Partition,Timelimit", "-j", get_job(by_job))
    assert set(until(lambda: call(*partitions), "the second job in sacct").splitlines()) == {"short|00:01:00"}
    assert lab.data("status", by_job.id)["again"]["why"] == "time-limit"


def test_a_canceled_run_does_not_start_again(lab: Lab) -> None:
    run = lab.submit(COUNTS, **PREEMPTIBLE)
    wait_until_started(run)
    run.cancel()
    (state,) = wait_until_ended(run)
    assert (state.status, state.again, decided(run)) == (RunStatus.CANCELED, None, [])
    assert "outputs/of-2" not in read_files(run.folder)


def test_every_launcher_tells_of_a_preemption_once(
    slurm: Cluster, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    write_program(tmp_path / "tacc/ibrun", '#!/bin/sh\nexec mpirun -n "$SLURM_NTASKS" "$@"\n')  # a stand-in for TACC's
    monkeypatch.setenv("PATH", prepend_to_path(tmp_path / "tacc"))
    low: dict[str, Any] = {"partition": "low", "notice": NOTICE["notice"], "restarts": {"preempted": "unlimited"}}
    with slurm.telling_of_preemption(grace_s=60):
        runs = {}
        for launcher, nodes in LAUNCHERS.items():
            spread = {"node_count": nodes, "distributed_backend": "mpi"} if nodes > 1 else {}
            where = {"nodelist": "node1,node2" if nodes > 1 else "node1"}
            runs[launcher] = lab.submit(HEARS, launcher=launcher, sbatch=where, **spread, **low)
        for launcher, run in runs.items():
            for rank in range(LAUNCHERS[launcher]):
                until((run.folder / f"outputs/here-{rank}").exists, f"rank {rank} of {launcher}")
        for node in ("node1", "node2"):
            lab.submit(HELLO, partition="high", exclusive=True, sbatch={"nodelist": node})
        for run, state in zip(runs.values(), wait_until_ended(*runs.values()), strict=True):
            assert state.status is RunStatus.COMPLETED, (run.id, read_journal(run), Path(run.layout.job_log).read_text())
    for launcher, run in runs.items():
        assert [(one["cause"], one["left_s"]) for one in read_journal(run) if one["event"] == "noticed"] == [
            ("preempted", None)
        ]
        assert decided(run) == [("requeue", "preempted", 2, None)]
        names = [f"rank-{rank}.out" for rank in range(2)] if LAUNCHERS[launcher] > 1 else ["main-0.out"]
        assert [log(run, name) for name in names] == ["attempt 1 [10]\nattempt 2 []\n"] * len(names)
