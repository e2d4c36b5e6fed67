"""A Slurm that is silent for a while, in every phase of a run; and what others do to a run that is about to restart."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from slurmtf import Mpi, Run, RunStatus
from slurmtf.job.contract.attempt.outcome import Cause
from tests.cluster import Cluster
from tests.cluster.machine import SYSTEM_PATH
from tests.patience import HANG_S, until
from tests.system.slurm.support import (
    COMMAND,
    HELLO,
    POLITE,
    WAIT,
    call,
    get_job,
    log,
    prepend_to_path,
    read_facts,
    read_journal,
    wait_until_ended,
    wait_until_started,
    write_program,
)

from .support import Faults, label_host, wait_for_process, wait_for_scripts

pytestmark = pytest.mark.slurm

SILENCE_S = 25
"""Longer than Slurm's commands wait for an answer here (MessageTimeout), and than the supervisor waits for a command."""
# Waits for the gate in its first attempt, and then fails if it has an argument.
GATED = """
import os, pathlib, sys, time
pathlib.Path("outputs/here").touch()
first = os.environ["SLURMTF_ATTEMPT"] == "1"
while first and not pathlib.Path("outputs/gate").exists():
    time.sleep(0.1)
print("attempt", os.environ["SLURMTF_ATTEMPT"], flush=True)
sys.exit("failed" if first and sys.argv[1:] else 0)
"""
# Killed, with the message that Slurm writes if the batch step exceeds its cgroup's memory.
GREEDY = """
import os, pathlib, signal
if os.environ["SLURMTF_ATTEMPT"] == "1":
    with open(os.path.join(os.environ["SLURMTF_RUN_FOLDER"], "logs/job.log"), "a") as log:
        log.write("slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch.\\n")
    os.kill(os.getpid(), signal.SIGKILL)
"""
# A scontrol that has the run canceled just before or just after a requeue.
MEDDLING = """#!/bin/sh
[ "$1" = requeue ] || exec {scontrol} "$@"
[ {when} = after ] || {cancel} >&2
{scontrol} "$@"
code=$?
touch "$(dirname "$0")/../requeued"
[ {when} = before ] || {cancel} >&2
exit $code
"""
RANKS = "first_time() and stay()"


def decided(run: Run) -> list[tuple[str, str]]:
    return [(one["how"], one["cause"]) for one in read_journal(run) if one["event"] == "restart"]


def started(*argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen([COMMAND, *argv, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_silent_controller(slurm: Cluster, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """While runs are submitted, launched again in their allocation, end, should be requeued, or are canceled."""
    lab = faults.lab
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(lab.workspace))
    ends = lab.submit(GATED)
    launched = lab.submit(GATED, script_params=["failed"], restarts={"script": 1}, launcher="srun")
    # without a step: slurmstepd keeps one for a minute if it can't report its end to the controller
    requeued = lab.submit(GATED, restarts={"node-failure": 1}, launcher="spawn")
    unwanted = lab.submit(WAIT)
    wait_until_started(ends, launched, requeued, unwanted)
    script = str(lab.source(HELLO) / "train.py")
    with slurm.silent_controller():
        began = time.monotonic()
        cancels = started("cancel", unwanted.id)
        submits = [started("submit", script, "-s", "slurm", "-x", name) for name in ("late", "later")]
        for run in (ends, launched):
            (run.folder / "outputs/gate").touch()
        wait_for_process(requeued, "task").kill()
        until(lambda: read_journal(ends)[-1]["event"] == "ended", "its end, of which Slurm hears later")
        until(lambda: time.monotonic() - began > SILENCE_S, "a while")
    canceled, *submitted = (json.loads(process.communicate(timeout=HANG_S)[0]) for process in (cancels, *submits))
    states = wait_until_ended(ends, launched, requeued)
    assert [state.status for state in states] == [RunStatus.COMPLETED] * 3, (
        states,
        read_journal(launched),
        read_journal(requeued),
    )
    assert (log(launched), log(requeued)) == ("attempt 1\nattempt 2\n", "attempt 2\n")
    assert decided(launched) == [("launch", "script")]
    assert decided(requeued) == [("requeue", "task-lost")]
    for answer in (canceled, *submitted):  # it was done, or the error says why not
        assert answer["ok"] or (answer["error"]["exit_code"], bool(answer["error"]["findings"])) == (3, True), answer
    late, later = ([Run(folder) for folder in (lab.workspace / name).glob("*-*")] for name in ("late", "later"))
    until(lambda: {run.get_status() for run in late} <= {"Completed"}, "the end of what was submitted")
    assert {state.status for state in wait_until_ended(*later)} <= {RunStatus.COMPLETED}
    taken = call("squeue", "-t", "all", "-h", "-o", "%Z").splitlines()
    assert {str(run.folder) for run in (*late, *later)} == {folder for folder in taken if "/late" in folder}
    if not canceled["ok"]:
        assert unwanted.get_status() == "Running"
        unwanted.cancel()
    assert wait_until_ended(unwanted)[0].status is RunStatus.CANCELED


def test_nodes_that_are_lost_and_memory_that_grows(slurm: Cluster, faults: Faults) -> None:
    lab, again = faults.lab, {"node-failure": 3}
    dies_twice = lab.submit(GATED, restarts=again, sbatch={"nodelist": "node4"})
    greedy = lab.submit(GREEDY, memory="400M", restarts={"out-of-memory": {"times": 2, "memory": "x1.5", "at_most": "1G"}})
    alone = {"node_count": 2, "restarts": again, "memory": None, "sbatch": {"no-requeue": True, "exclude": "node4"}}
    lost = faults.submit(Mpi(2), {"rank": RANKS}, **alone)
    wait_for_scripts(lost, "rank-0", "rank-1")
    wait_until_started(dies_twice)
    gone = label_host(lost, "rank-1")
    wait_for_process(lost, "task", 1).kill()
    wait_for_process(dies_twice, "task").kill()
    starts = until(lambda: [one for one in read_journal(dies_twice) if one["event"] == "started"][1:], "its second start")
    slurm.start_node("node4")  # reboots it, as after a power cut
    states = wait_until_ended(dies_twice, greedy, lost)
    assert [state.status for state in states] == [RunStatus.COMPLETED] * 3, (
        states,
        read_journal(dies_twice),
        read_journal(lost),
    )
    assert decided(dies_twice)[0] == ("requeue", "task-lost")
    assert len(starts) == 1
    (restart,) = (one for one in read_journal(lost) if one["event"] == "restart")
    assert (restart["how"], restart["cause"], restart["exclude"], restart["job"]) == (
        "resubmit",
        "task-lost",
        [gone],
        get_job(lost),
    )
    later = read_facts(get_job(lost))
    assert set(call("scontrol", "show", "hostnames", later["ExcNodeList"]).split()) == {gone, "node4"}
    assert gone not in states[2].nodes
    assert decided(greedy) == [("resubmit", "out-of-memory")]
    assert read_facts(get_job(greedy))["MinMemoryNode"] == "600M"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_canceled_just_as_it_is_requeued(
    slurm: Cluster, faults: Faults, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, scontrol = faults.lab, shutil.which("scontrol", path=SYSTEM_PATH)  # a job finds no shims
    cancel = f"SLURMTF_WORKSPACE='{lab.workspace}' '{COMMAND}' cancel \"$2\""
    write_program(tmp_path / "meddling/scontrol", MEDDLING.format(scontrol=scontrol, cancel=cancel, when=when))
    with monkeypatch.context() as context:
        context.setenv("PATH", prepend_to_path(tmp_path / "meddling"))
        run = lab.submit(GATED, restarts={"node-failure": 3})
    wait_until_started(run)
    wait_for_process(run, "task").kill()
    job = get_job(run)
    until(lambda: read_facts(job)["JobState"] in ("CANCELLED", "FAILED", "COMPLETED"), "the end of its job")
    assert read_facts(job)["JobState"] == "CANCELLED"
    assert (tmp_path / "requeued").exists()
    assert wait_until_ended(run)[0].status in (RunStatus.CANCELED, RunStatus.FAILED)
    assert get_job(run) == job
    assert len([one for one in read_journal(run) if one["event"] == "started"]) == 1


def test_terminals_that_cancel_at_once(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(faults.lab.workspace))
    run, pending = faults.lab.submit(POLITE), faults.lab.submit(HELLO, sbatch={"hold": True})
    wait_until_started(run)
    terminals = [started("cancel", run.id, pending.id) for _ in range(4)]
    for answer in [json.loads(process.communicate(timeout=HANG_S)[0]) for process in terminals]:
        assert answer["ok"], answer
    assert [state.status for state in wait_until_ended(run, pending)] == [RunStatus.CANCELED] * 2
    assert run.state.cause is Cause.CANCELED
    assert (run.folder / "outputs/last-words").read_text() == "saved"


def test_terminals_that_cancel_at_once_what_is_being_requeued(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(faults.lab.workspace))
    run = faults.lab.submit(WAIT, restarts={"node-failure": 3, "time-limit": 3})
    wait_until_started(run)
    job = get_job(run)
    requeue = subprocess.Popen(["scontrol", "requeue", job], stderr=subprocess.DEVNULL)
    terminals = [started("cancel", run.id) for _ in range(2)]
    requeue.wait(timeout=HANG_S)
    for answer in [json.loads(process.communicate(timeout=HANG_S)[0]) for process in terminals]:
        assert answer["ok"], answer
    (state,) = wait_until_ended(run)
    assert (state.status, state.cause, get_job(run)) == (RunStatus.CANCELED, Cause.CANCELED, job)
    until(lambda: read_facts(job)["JobState"] == "CANCELLED", "the end of its job")
    assert len([one for one in read_journal(run) if one["event"] == "started"]) == 1
