"""A run folder that the job's node can't write to: before the job starts, or from some moment on."""

from __future__ import annotations

import pytest

from slurmtf import RunStatus
from slurmtf.job.contract.attempt.outcome import Cause
from tests.cluster import Cluster
from tests.patience import until
from tests.system.slurm.support import HELLO, call, get_job, wait_until_ended, wait_until_started

from .support import Faults, get_outcome
from .test_clocks import GATED

pytestmark = pytest.mark.slurm
HERE = {"nodelist": "node3"}


def test_before_it_starts(slurm: Cluster, faults: Faults) -> None:
    run = faults.lab.submit(HELLO, sbatch={**HERE, "hold": True})
    with slurm.read_only("node3", run.folder):
        call("scontrol", "release", get_job(run))
        (state,) = wait_until_ended(run)
    assert (state.status, state.cause) == (RunStatus.FAILED, Cause.NOT_STARTED)
    death = faults.lab.data("why", run.id)["death"]
    assert (death["class"], death["rule"]) == ("not-started", "unlaunched")


@pytest.mark.parametrize("code", [0, 5])
def test_while_it_runs(slurm: Cluster, faults: Faults, code: int) -> None:
    """Exit code 0 is a success; of a failure, only its exit code is known."""
    run = faults.lab.submit(GATED, sbatch=HERE, script_params=[str(code)])
    wait_until_started(run)
    books = ("sacct", "-X", "-n", "-P", "-o", "exitcode,workdir", "-s", "CD,F", "-j", get_job(run))
    with slurm.read_only("node3", run.folder):
        (run.folder / "outputs/gate").touch()
        until(lambda: call(*books) == f"{code}:0|{run.folder}", "all of it in the accounting")
        (state,) = wait_until_ended(run)
    assert state.exit_code == code
    if code:
        assert (state.status, state.cause, get_outcome(state).detail["by"]) == (RunStatus.FAILED, Cause.LOST, "disk")
    else:
        assert (state.status, state.cause) == (RunStatus.COMPLETED, Cause.SCRIPT)


def test_its_exit_code_is_told_once_accounting_answers(slurm: Cluster, faults: Faults) -> None:
    run = faults.lab.submit(GATED, sbatch=HERE, script_params=["5"])
    wait_until_started(run)
    with slurm.without_slurmdbd(), slurm.read_only("node3", run.folder):
        (run.folder / "outputs/gate").touch()
        (state,) = wait_until_ended(run)
    assert (state.cause, state.exit_code) == (Cause.LOST, None)
    until(lambda: run.state.exit_code == 5, "the exit code in the accounting")
    assert (run.state.status, run.state.cause) == (RunStatus.FAILED, Cause.LOST)
