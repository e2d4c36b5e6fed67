"""Time limits, preemption, requeueing and dead nodes: the ends that take Slurm some time.

The runs that reach their time limit are submitted first and checked last.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus, Site
from slurmtf.runs import RunState
from slurmtf.sites.model import JobEnvironment, Requeue
from tests.cluster import Cluster
from tests.patience import until

from .conftest import lab_at
from .support import (
    AGAIN,
    HELLO,
    POLITE,
    STUBBORN,
    WAIT,
    Lab,
    call,
    get_job,
    list_states,
    log,
    read_journal,
    wait_for_status,
    wait_until_ended,
    wait_until_started,
)

pytestmark = pytest.mark.slurm

LIMITED = {"partition": "short", "sbatch": {"nodelist": "node1"}}
LOW = Site(name="low", requeue=Requeue(partition="low"))
SLURM_MAY_WAIT_S = 50  # between the start of a job and the start of its script, on a busy machine
SLOW = Site(name="slow", environment=JobEnvironment(prologue=["sleep 35"]))


@pytest.fixture(scope="module")
def limited(slurm: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Run, Run]]:
    """Submit a script that ends on TERM, one that does not, and one that takes half a minute to start."""
    with pytest.MonkeyPatch.context() as patch:
        lab = lab_at(slurm, tmp_path_factory.mktemp("limited"), patch)
        yield (
            lab.submit(POLITE, time=1, **LIMITED),
            lab.submit(STUBBORN, max_run_duration_seconds=60, **LIMITED),
            lab.submit(HELLO, time=2, compute_target=SLOW, sbatch={"nodelist": "node1"}),
        )


@pytest.mark.usefixtures("limited")
def test_preemption_and_requeueing(lab: Lab) -> None:
    preempted = lab.submit(AGAIN, compute_target=LOW, vm_priority="lowpriority", exclusive=True, sbatch={"nodelist": "node2"})
    thrown_out = lab.submit(POLITE, partition="low", exclusive=True, sbatch={"nodelist": "node3", "no-requeue": True})
    requeued = lab.submit(AGAIN, sbatch={"nodelist": "node1"})
    wait_until_started(preempted, thrown_out, requeued)
    call("scontrol", "requeue", get_job(requeued))
    urgent = [lab.submit(HELLO, partition="high", exclusive=True, sbatch={"nodelist": node}) for node in ("node2", "node3")]

    for run, watched in zip((preempted, requeued), until_started_again(preempted, requeued), strict=True):
        statuses = list(dict.fromkeys(state.status for state, _ in watched))
        assert not any(state.status.final for state, _ in watched), statuses
        assert not any(done for _, done in watched), "submitit takes it for done"
        assert RunStatus.QUEUED in statuses
        (state,) = wait_until_ended(run)
        assert (state.status, state.attempt) == (RunStatus.COMPLETED, 1)
        assert log(run) == "again from the first time 1\n"
        assert run.job.done()
        assert run.job.result()["exit_code"] == 0
        assert [event["cause"] for event in read_journal(run) if event["event"] == "ended"][1:] == ["script"]

    assert {state.status for state in wait_until_ended(*urgent)} == {RunStatus.COMPLETED}
    (state,) = wait_until_ended(thrown_out)
    assert (state.status, state.cause, state.exit_status) == (RunStatus.CANCELED, "preempted", 143)
    assert (thrown_out.folder / "outputs/last-words").exists()


def until_started_again(*runs: Run) -> list[list[tuple[RunState, bool]]]:
    """Return what slurmtf and submitit said about each run until it was started a second time."""
    watched: list[list[tuple[RunState, bool]]] = [[] for _ in runs]

    def all_started() -> bool:
        # submitit is asked first: if a run ends between the two questions, submitit has seen it running.
        seen = zip([run.job.done(force_check=True) for run in runs], list_states(*runs), strict=True)
        for index, (done, state) in enumerate(seen):
            if not state.attempt:
                watched[index].append((state, done))
        return all(len(starts(run)) == 2 for run in runs)

    until(all_started, "the second start")
    return watched


def starts(run: Run) -> list[str]:
    return [event["event"] for event in read_journal(run) if event["event"] == "started"]


@pytest.mark.usefixtures("limited")
def test_a_dead_node(slurm: Cluster, lab: Lab) -> None:
    lost = lab.submit(WAIT, sbatch={"nodelist": "node4", "no-requeue": True})
    returning = lab.submit(AGAIN, sbatch={"nodelist": "node4"})
    wait_until_started(lost, returning)
    slurm.kill_node("node4")
    try:
        (state,) = wait_until_ended(lost)
        assert (state.status, state.cause, state.exit_status) == (RunStatus.FAILED, "node-failure", 1)
        assert lab.slurmtf("wait", lost.id).returncode == 1
        wait_for_status(returning, RunStatus.QUEUED)
        assert not returning.job.done(force_check=True)
    finally:
        slurm.start_node("node4")
    (state,) = wait_until_ended(returning)
    assert (state.status, state.attempt) == (RunStatus.COMPLETED, 1)
    assert log(returning) == "again from the first time 1\n"


def test_the_time_limit(lab: Lab, limited: tuple[Run, Run, Run]) -> None:
    polite, stubborn, slow = limited
    polite_end, stubborn_end, slow_end = wait_until_ended(*limited)
    for state in (polite_end, stubborn_end):
        assert (state.cause, state.exit_status) == ("time-limit", 124)
    assert polite_end.status is RunStatus.FAILED
    assert (polite.folder / "outputs/last-words").read_text() == "saved"
    for run, latest in ((polite, 60), (stubborn, 60), (slow, 85)):  # the slow one spends 35 s before its supervisor starts
        (warning,) = (event for event in read_journal(run) if event["event"] == "time-warning")
        assert latest - SLURM_MAY_WAIT_S < warning["left_s"] <= latest, warning
    # Reaching a limit that the user set for the run is not a failure. The script was killed, and only Slurm could say why.
    assert stubborn_end.status is RunStatus.CANCELED
    assert read_journal(stubborn)[-1]["event"] != "ended"
    # Slurm's warning comes half a minute early or more: here, before the supervisor runs.
    assert slow_end.status is RunStatus.COMPLETED, Path(slow.layout.job_log).read_text()
    for run in (polite, stubborn):
        assert lab.slurmtf("wait", run.folder).returncode == 124
        assert "time limit" in lab.slurmtf("status", run.folder).stdout


def test_the_time_limit_is_enforced_on_this_machine(lab: Lab) -> None:
    run = lab.submit(POLITE, compute_target="local", max_run_duration_seconds=2)
    (state,) = wait_until_ended(run)
    assert (state.status, state.cause, state.exit_status) == (RunStatus.CANCELED, "time-limit", 124)
    assert (run.folder / "outputs/last-words").read_text() == "saved"
