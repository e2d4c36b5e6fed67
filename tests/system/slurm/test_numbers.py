"""A job id that is reused: Slurm counts to MaxJobId, then starts again at FirstJobId."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf import Run, RunStatus
from tests.cluster import Cluster
from tests.patience import until

from .support import HELLO, Lab, call, get_job, list_states

pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def _every_number_is_free(slurm_fewids: Cluster) -> None:
    slurm_fewids.run("scancel", "--user=" + slurm_fewids.run("id", "-un").stdout.strip())
    until(lambda: not slurm_fewids.run("squeue", "--states=all", "--noheader").stdout, "the end of all jobs")


def held(lab: Lab) -> Run:
    return lab.submit(HELLO, sbatch={"hold": True})


def is_free(number: str) -> bool:
    return number not in call("squeue", "--states=all", "--noheader", "--format=%i").split()


def freed(run: Run) -> str:
    """Cancel the run's job by hand, wait until Slurm has forgotten it, and return its id. slurmtf has not looked meanwhile."""
    number = get_job(run)
    call("scancel", number)
    until(lambda: is_free(number), "the end of the first job")
    return number


def plain(folder: Path, *options: str, does: str = "true") -> str:
    return call("sbatch", "--parsable", f"--chdir={folder}", "--output=/dev/null", *options, f"--wrap={does}")


def until_given(number: str, folder: Path) -> None:
    """Use up the job ids before this one."""
    while is_free(number) and int(plain(folder, "--hold")) != (int(number) - 1 if number != "100" else 105):
        pass


def test_another_run_has_the_number(lab_fewids: Lab) -> None:
    first = held(lab_fewids)
    number = freed(first)
    until_given(number, lab_fewids.folder)
    second = held(lab_fewids)
    assert get_job(second) == number
    before, after = list_states(first, second)
    assert (before.status, before.cause, before.job_id) == (RunStatus.CANCELED, "canceled", number)
    assert (after.status, after.reason) == (RunStatus.QUEUED, "JobHeldUser")

    assert not is_free(number)
    done = lab_fewids.slurmtf("cancel", first.id)
    assert done.returncode == 0, done.stderr
    first.job.cancel()
    assert second.state.status is RunStatus.QUEUED
    assert [run.job.get_info()["State"] for run in (first, second)] == ["CANCELLED", "PENDING"]
    second.cancel()
    assert list_states(first, second)[1].status is RunStatus.CANCELED


def test_a_cancel_does_not_reach_a_run_with_the_reused_id(lab_fewids: Lab) -> None:
    first = held(lab_fewids)
    number = freed(first)
    until_given(number, lab_fewids.folder)
    second = held(lab_fewids)
    first.cancel()
    assert second.state.status is RunStatus.QUEUED


def test_a_job_id_reused_outside_any_run_is_no_success(lab_fewids: Lab) -> None:
    first = held(lab_fewids)
    number = freed(first)
    until_given(number, lab_fewids.folder)
    assert plain(lab_fewids.folder) == number
    lines = ("squeue", "--states=all", "-h", "-o", "%i %T")
    until(lambda: f"{number} COMPLETED" in call(*lines) or is_free(number), "the end of the other job")
    assert first.state.status is RunStatus.CANCELED
    job = first.job
    job._results_timeout_s = 1  # there will be no result
    assert job.exception() is not None
