"""A run's job is a submitit job, in the process that submitted it and in all others."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from submitit.core.utils import FailedJobError, UncompletedJobError

from slurmtf import Run
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.scheduler.slurm.executor import JobWatcher
from tests.patience import HANG_S, until

from .support import HELLO, WAIT, Lab, call, get_job, wait_until_ended, wait_until_started

pytestmark = pytest.mark.slurm

FAILS = "import sys; print('some work'); sys.exit('no more disk')"

# What a process that knows only the folders learns about the jobs.
ELSEWHERE = """
import sys
from slurmtf import Run
for folder in sys.argv[1:]:
    job = Run(folder).job
    print(job.done(), type(job.exception()).__name__, job.stdout().strip())
"""


@pytest.mark.parametrize("target", ["local", "slurm"])
def test_success_and_failure_are_seen_through_submitit(lab: Lab, target: str) -> None:
    good, bad = (lab.submit(script, compute_target=target) for script in (HELLO, FAILS))
    good_job, bad_job = good.job, bad.job
    assert good_job.result() == {"run": good.id, "exit_code": 0}
    assert good_job.done()
    assert good_job.exception() is None
    assert good_job.stdout() == "hello\n"
    with pytest.raises(FailedJobError, match="no more disk"):
        bad_job.result()
    assert bad_job.done()
    assert "cause=script task=main-0 exit_code=1" in str(bad_job.exception())
    assert (bad_job.stdout(), bad_job.stderr()) == ("some work\n", "no more disk\n")
    until(lambda: [state_of(job) for job in (good_job, bad_job)] == finished_as(target), "the scheduler's end")

    argv: list[str | Path] = [sys.executable, "-c", ELSEWHERE, good.folder, bad.folder]
    other = subprocess.run(argv, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert other.stdout.splitlines() == ["True NoneType hello", "True FailedJobError some work"]


def state_of(job: Any) -> str:
    job.get_info(mode="force")  # like submitit's own, it rarely asks unless forced
    return str(job.state)


def finished_as(target: str) -> list[str]:
    return ["FINISHED", "FINISHED"] if target == "local" else ["COMPLETED", "FAILED"]


def test_waiting_running_and_canceled_are_seen_through_submitit(lab: Lab) -> None:
    pending, running = lab.submit(HELLO, sbatch={"hold": True}), lab.submit(WAIT)
    wait_until_started(running)
    assert [run.job.get_info()["State"] for run in (pending, running)] == ["PENDING", "RUNNING"]
    assert not any(run.job.done(force_check=True) for run in (pending, running))
    running.job.cancel()
    wait_until_ended(running)
    assert running.job.done()
    assert isinstance(running.job.exception(), FailedJobError)
    assert "cause=canceled" in str(running.job.exception())

    job: Any = pending.job
    job._results_timeout_s = 1
    call("scancel", get_job(pending))
    until(lambda: job.done(force_check=True), "the canceled job's end")
    with pytest.raises(UncompletedJobError, match="has not produced any output"):
        job.result()


def test_the_watcher_ends_without_accounting(lab_noaccounting: Lab) -> None:
    """submitit's own watcher would wait for ever for a job that sacct does not list."""
    lab = lab_noaccounting
    done, pending, running = lab.submit(HELLO), lab.submit(HELLO, sbatch={"hold": True}), lab.submit(WAIT)
    wait_until_started(running)
    watcher = JobWatcher(delay_s=1)
    jobs = {get_job(run): str(run.folder) for run in (done, pending, running)}
    for job_id, folder in {**jobs, "999999": "/nowhere"}.items():
        watcher.register(SubmittedJob(JobRef(None, job_id), "slurm", folder, time.time()))
    ids = list(jobs)
    until(lambda: watcher.is_done(ids[0], mode="force"), "the end of the first")
    assert [watcher.is_done(job_id, mode="force") for job_id in ids] == [True, False, False]
    call("scancel", *ids)
    until(lambda: all(watcher.is_done(job_id, mode="force") for job_id in ids), "the end of all")
    assert [watcher.get_state(job_id) for job_id in ids] == ["COMPLETED", "CANCELLED", "CANCELLED"]

    assert watcher.get_state("999999", mode="force") == "UNKNOWN"  # it might not be listed yet
    watcher._born["999999"] = time.time() - 3600
    until(lambda: watcher.is_done("999999"), "the end of a job that nobody knows")
    assert watcher.get_state("999999") == "LOST"
    asked = watcher.num_calls
    assert all(watcher.is_done(job_id, mode="force") for job_id in (*ids, "999999"))
    assert watcher.num_calls == asked  # jobs that have ended are not queried again


def test_all_jobs_are_queried_together(lab: Lab) -> None:
    runs: list[Run] = [lab.submit(HELLO, sbatch={"hold": True}) for _ in range(3)]
    jobs = [run.job for run in runs]
    assert len({id(job.watcher) for job in jobs}) == 1
    before = jobs[0].watcher.num_calls
    jobs[0].get_info()
    assert [job.watcher.get_state(job.job_id, mode="cache") for job in jobs] == ["PENDING"] * 3
    assert jobs[0].watcher.num_calls == before + 1
    call("scancel", *map(get_job, runs))
