"""A job of many tasks, started by a test launcher that gives each process a rank, as srun does."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.outcome import Cause
from tests.patience import until

from .jobs import Job, NewJob, many

LAUNCHER = """\
import os, subprocess, sys
count = int(sys.argv[1])
ranks = [str(rank) for rank in range(count) if str(rank) not in os.environ.get("ABSENT", "").split()]
tasks = [subprocess.Popen(sys.argv[2:], env=dict(os.environ, SLURM_PROCID=rank)) for rank in ranks]
codes = [task.wait() for task in tasks]
sys.exit(max(codes) if max(codes) > 0 else 1 if min(codes) < 0 else 0)
"""


LISTENS = "touch outputs/listens-$SLURMTF_RANK; while :; do sleep 0.05; done"
"""Stands behind a trap: says that it is set, and stays."""


def crowd(job: NewJob, count: int, script: str, grace_s: float = 10) -> Job:
    one = job(files={"launcher.py": LAUNCHER})
    many(one, count)
    one.change_plan(launcher="srun", timings__grace=grace_s)
    one.launcher = [one.python, "-S", "work/launcher.py", str(count)]
    one.script = ["sh", "-c", script]
    return one


def ranks(job: Job, name: str) -> list[int]:
    return sorted(event["rank"] for event in job.events(name))


def test_tasks_start_together_and_succeed(job: NewJob) -> None:
    one = crowd(job, 12, 'echo "$SLURMTF_RANK $SLURMTF_ROLE $SLURMTF_INDEX $SLURMTF_WORLD_SIZE"')
    assert one.run() == 0, one.log()
    assert ranks(one, "task-started") == ranks(one, "task-ended") == list(range(12))
    logs = [Path(one.layout.task_log(f"worker-{rank}", "out")).read_text() for rank in range(12)]
    assert logs == [f"{rank} worker {rank} 12\n" for rank in range(12)]
    assert (one.end["cause"], one.end["exit_code"]) == ("script", 0)
    assert one.result()[0] == "success"
    assert one.processes() == []


def test_one_failed_task_of_64_ends_all(job: NewJob) -> None:
    one = crowd(
        job,
        64,
        ': >outputs/$SLURMTF_RANK; [ "$SLURMTF_RANK" = 37 ] || exec sleep 3600; '
        'while [ "$(ls outputs | wc -l)" -lt 64 ]; do sleep 0.1; done; echo "no data" >&2; exit 5',
        grace_s=60,
    )
    one.start()
    assert one.wait() == 5, one.log()
    assert ranks(one, "task-started") == ranks(one, "task-ended") == list(range(64))
    assert {event["task"] for event in one.events("task-ended")} == {f"worker-{rank}" for rank in range(64)}
    assert (one.end["cause"], one.end["exit_code"], one.end["signal"]) == ("script", 5, None)
    assert (one.outcome.task, bool(one.outcome.host)) == ("worker-37", True)
    assert "no data" in one.outcome.tail
    assert one.events("task-ended")[0]["rank"] == 37
    assert one.result() == one.error
    assert one.processes() == []


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_one_task_of_four_killed_by_a_signal_ends_the_job(job: NewJob, number: signal.Signals) -> None:
    one = crowd(job, 4, f'[ "$SLURMTF_RANK" = 2 ] && kill -{int(number)} $$; exec sleep 3600')
    assert one.run() == 128 + number, one.log()
    assert (one.end["exit_code"], one.end["signal"]) == (None, number)
    assert (one.outcome.cause, one.outcome.task) == (Cause.SCRIPT, "worker-2")


def test_the_killed_agent_of_one_task_of_four_ends_the_job(job: NewJob) -> None:
    one = crowd(job, 4, "echo $PPID > outputs/agent-$SLURMTF_RANK; exec sleep 3600")
    one.start()
    agent = one.await_file("outputs/agent-1")
    until(lambda: len(one.events("task-started")) == 4 and agent.read_text(), "four tasks")
    os.kill(int(agent.read_text()), signal.SIGKILL)
    assert one.wait() == 1
    assert (one.outcome.cause, one.outcome.task, bool(one.outcome.host)) == (Cause.TASK_LOST, "worker-1", True)
    assert ranks(one, "task-lost") == [1]
    one.await_nobody()


def test_no_script_starts_before_all_tasks_have_connected(job: NewJob) -> None:
    one = crowd(job, 4, "touch outputs/ran")
    one.environ["ABSENT"] = "3"
    process = one.start()
    until(lambda: len(one.processes()) >= 5, "three tasks, their launcher and the supervisor")
    with pytest.raises(AssertionError):
        until((one.folder / "outputs" / "ran").exists, "a script", seconds=0.7)
    process.terminate()
    assert one.wait() == 143
    assert one.events("task-started") == []
    assert one.processes() == []


def test_a_stop_reaches_all_tasks(job: NewJob) -> None:
    one = crowd(job, 4, f"trap 'touch outputs/saved-$SLURMTF_RANK; exit 0' TERM; {LISTENS}")
    process = one.start()
    for rank in range(4):
        one.await_file(f"outputs/listens-{rank}")
    process.terminate()
    assert one.wait() == 143
    assert len(list((one.folder / "outputs").glob("saved-*"))) == 4
    assert one.end["cause"] == "canceled"


def test_our_launcher_starts_several_tasks_on_this_machine(job: NewJob) -> None:
    one = crowd(job, 3, "echo $SLURMTF_RANK; exit $SLURMTF_RANK")
    one.launcher = [sys.executable, "-I", one.layout.agent, "spawn", "3", "--"]
    assert one.run() in (1, 2)
    assert one.end["cause"] == "script"
    assert one.processes() == []


@pytest.mark.parametrize(("backend", "grace_s"), [("multiworker", 600), ("ps", 10)])
def test_a_task_waiting_for_a_dead_peer_is_killed_sooner(job: NewJob, backend: str, grace_s: float) -> None:
    """One fails, the other ignores TERM: with parameter servers a worker may be saving, in a collective it can't."""
    fails = "while [ ! -e outputs/listens-0 ]; do sleep 0.1; done; exit 5"
    one = crowd(job, 2, f'if [ "$SLURMTF_RANK" = 1 ]; then {fails}; fi; trap "" TERM; {LISTENS}', grace_s=grace_s)
    one.change_plan(distribution__backend=backend, timings__peer_grace=1)
    assert one.run() == 5, one.log()
    first, last = (event["time"] for event in one.events("task-ended"))
    assert (last - first < grace_s / 2) is (backend == "multiworker")


def test_a_stop_gives_collectives_the_full_grace_time(job: NewJob) -> None:
    one = crowd(job, 2, f"trap 'sleep 3; touch outputs/saved-$SLURMTF_RANK; exit 0' TERM; {LISTENS}", grace_s=20)
    one.change_plan(distribution__backend="multiworker", timings__peer_grace=1)
    process = one.start()
    for rank in range(2):
        one.await_file(f"outputs/listens-{rank}")
    process.terminate()
    assert one.wait() == 143
    assert len(list((one.folder / "outputs").glob("saved-*"))) == 2
