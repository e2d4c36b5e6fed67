"""Jobs ended from outside, by a signal, a time limit or a kill: no process is left, and the journal gives the cause."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, End
from tests.patience import until

from .jobs import Job, NewJob

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CHECKPOINTS = """\
import signal, sys, time
def leave(number, frame):
    time.sleep(0.2)
    open("outputs/checkpoint", "w").write(str(number))
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
open("outputs/ready", "w").close()
time.sleep(3600)
"""
IGNORES = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("outputs/ready", "w").close()
time.sleep(3600)
"""
FAMILY = """\
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the children inherit it
sleep = [sys.executable, "-S", "-c", "import time; time.sleep(3600)"]
subprocess.Popen(sleep)
subprocess.Popen(sleep, start_new_session=True)
subprocess.Popen(["sh", "-c", "setsid sleep 3600 & exit"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "600"])
    os._exit(0)
time.sleep(0.2)
open("outputs/ready", "w").close()
time.sleep(float(sys.argv[1]))
"""
WAITS = """\
import time
from collections.abc import Sequence
open("outputs/ready", "w").close()
while True:
    time.sleep(0.05)
"""
UNTIL_GO = """\
import os, time
open("outputs/ready", "w").close()
while not os.path.exists("outputs/go"):
    time.sleep(0.02)
"""


DEAF_UNTIL_GO = "trap '' TERM; while [ ! -e go ]; do sleep 0.1; done; exec \"$@\""


def canceled(job: Job, number: int = signal.SIGTERM) -> bool:
    return (job.end["cause"], job.end["exit_code"], job.end["signal"]) == ("canceled", None, number)


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_lets_the_script_write_a_checkpoint(job: NewJob, number: signal.Signals) -> None:
    one = job(CHECKPOINTS)
    one.start_and_await().send_signal(number)
    assert one.wait() == 128 + number
    assert (one.folder / "outputs" / "checkpoint").read_text() == str(int(signal.SIGTERM))
    assert one.events("signal")[0]["signal"] == number.name
    assert one.events("task-ended")[0]["exit_code"] == 0
    assert canceled(one, number)
    assert one.result() == one.error
    one.await_nobody()


def test_a_script_that_ignores_the_stop_is_killed_after_its_grace_time(job: NewJob) -> None:
    one = job(IGNORES)
    one.change_plan(timings__grace=1)
    process = one.start_and_await()
    asked = time.monotonic()
    process.terminate()
    assert one.wait() == 143
    assert time.monotonic() - asked >= 1
    assert one.events("task-ended")[0]["signal"] == signal.SIGKILL
    assert canceled(one)


def test_a_second_stop_changes_nothing(job: NewJob) -> None:
    one = job(CHECKPOINTS)
    process = one.start_and_await()
    process.terminate()
    process.send_signal(signal.SIGINT)
    assert one.wait() in (130, 143)
    assert (one.folder / "outputs" / "checkpoint").exists()


def test_a_stop_signal_blocked_by_the_client_is_unblocked(job: NewJob) -> None:
    one = job(WAITS)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        one.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    one.await_file("outputs/ready")
    os.kill(one.process.pid if one.process else 0, signal.SIGTERM)
    assert one.wait() == 143


def test_a_notice_does_not_end_the_script(job: NewJob) -> None:
    """Slurm sends one some time before the limit; a script that does not handle it goes on."""
    one = job(UNTIL_GO)
    process = one.start_and_await()
    for count, number in enumerate((signal.SIGUSR1, signal.SIGUSR2), 1):
        process.send_signal(number)
        until(lambda: one.events("signal")[count - 1 :], number.name)  # noqa: B023 - called at once
    (one.folder / "outputs" / "go").touch()
    assert one.wait() == 0


@pytest.mark.parametrize("how", ["ended", "stopped", "task killed"])
def test_no_process_of_the_script_is_left(job: NewJob, how: str) -> None:
    one = job(FAMILY)
    one.change_plan(timings__grace=0.3)
    one.script = [one.python, "train.py", "0" if how == "ended" else "600"]
    process = one.start_and_await()
    if how == "stopped":
        process.terminate()
    if how == "task killed":
        os.kill(one.agent_of_task(), signal.SIGKILL)
    assert (one.wait() == 0) == (how == "ended"), one.log()
    assert one.processes() == []


def test_ended_orphans_are_reaped(job: NewJob) -> None:
    one = job(
        "import subprocess, time\n"
        "for _ in range(20): subprocess.Popen(['setsid', '-f', 'true']).wait()\n"
        "time.sleep(0.7); open('outputs/ready', 'w').close(); time.sleep(3600)"
    )
    process = one.start_and_await()
    children = Path(f"/proc/{one.agent_of_task()}/task/{one.agent_of_task()}/children")
    until(lambda: len(children.read_text().split()) <= 1, "zombies of the task's agent")
    process.terminate()
    assert one.wait() == 143


def test_a_killed_supervisor_takes_all_with_it_in_order(job: NewJob) -> None:
    one = job(CHECKPOINTS)
    one.start_and_await().kill()
    one.await_file("outputs/checkpoint")
    one.await_nobody()
    assert "ended" not in one.names()


def test_a_killed_supervisor_ends_processes_that_ignore_signals(job: NewJob) -> None:
    one = job(FAMILY)
    one.change_plan(timings__grace=0.5)
    one.script = [one.python, "train.py", "600"]
    one.start_and_await().kill()
    one.await_nobody()


def test_a_killed_task_ends_the_job(job: NewJob) -> None:
    one = job(WAITS)
    one.start_and_await()
    os.kill(one.agent_of_task(), signal.SIGKILL)
    assert one.wait() == 137
    assert (one.outcome.cause, one.outcome.signal) == (Cause.LAUNCHER, signal.SIGKILL)
    assert one.outcome.detail == {"launcher": "none", "missing": ["main-0"]}
    assert one.result() == one.error
    assert one.processes() == []


@pytest.mark.parametrize(
    ("launcher", "status", "end", "tail"),
    [
        (["false"], 1, End(1), ""),
        (["true"], 1, End(0), ""),
        (["sh", "-c", "echo boom >&2; exit 7"], 7, End(7), "boom"),
        (["sh", "-c", "kill -9 $$"], 137, End(None, 9), ""),
    ],
    ids=["false", "true", "boom", "killed"],
)
def test_a_launcher_without_tasks_is_the_cause(job: NewJob, launcher: list[str], status: int, end: End, tail: str) -> None:
    one = job(WAITS)
    one.launcher = launcher
    assert one.run() == status
    assert (one.outcome.cause, one.outcome.end) == (Cause.LAUNCHER, end)
    assert one.outcome.detail["missing"] == ["main-0"]
    assert tail in one.outcome.tail
    assert one.result() == one.error
    assert one.events("task-started") == []


def test_a_missing_launcher_is_named_as_the_cause(job: NewJob) -> None:
    one = job(WAITS)
    one.launcher = ["no-such-launcher"]
    assert one.run() == 1
    assert one.end["cause"] == "launcher"
    assert "no-such-launcher" in one.outcome.detail["error"]
    assert one.result() == one.error


def test_a_launcher_that_is_killed_takes_its_tasks_with_it(job: NewJob) -> None:
    one = job(WAITS)
    one.change_plan(launcher="mpirun")
    one.launcher = ["sh", "-c", 'echo $$ > launcher.pid; "$@"; exit', "sh"]
    one.start_and_await()
    os.kill(int((one.folder / "launcher.pid").read_text()), signal.SIGKILL)
    assert one.wait() == 137
    assert (one.outcome.cause, one.outcome.signal) == (Cause.LAUNCHER, signal.SIGKILL)
    assert one.outcome.detail == {"launcher": "mpirun", "missing": ["main-0"]}
    assert one.processes() == []


def test_the_exit_code_of_the_launcher_does_not_hide_that_of_the_script(job: NewJob) -> None:
    one = job("raise SystemExit(3)")
    one.launcher = ["sh", "-c", '"$@"; exit 0', "sh"]
    assert one.run() == 3
    assert one.end["cause"] == "script"


@pytest.mark.parametrize(
    "launcher",
    [["sh", "-c", "exec sleep 3600"], ["sh", "-c", DEAF_UNTIL_GO, "sh"]],
)
def test_a_stop_before_the_first_task_cancels_the_run(job: NewJob, launcher: list[str]) -> None:
    one = job("open('outputs/ran', 'w')")
    one.change_plan(timings__grace=2)
    one.launcher = launcher
    process = one.start()
    until(lambda: "launched" in one.names(), "the launch")
    process.terminate()
    (one.folder / "go").touch()
    assert one.wait() == 143
    assert canceled(one)
    assert not (one.folder / "outputs" / "ran").exists()
    assert one.processes() == []


def test_the_supervisor_enforces_the_time_limit_without_a_scheduler(job: NewJob) -> None:
    one = job(WAITS)
    one.change_plan(size__time_s=1)
    assert one.run() == 143
    assert one.end["cause"] == "time-limit"
    assert one.end["seconds"] >= 1
    assert len(one.events("time-limit")) == 1
    one.await_nobody()


def test_the_time_limit_of_a_slurm_job_is_left_to_slurm(job: NewJob) -> None:
    one = job("import time; time.sleep(1.5)")
    one.change_plan(size__time_s=1, scheduler="slurm", launcher="srun")
    assert one.run(SLURM_JOB_ID="4711") == 0


@pytest.mark.parametrize(
    ("notice", "cause"),
    [
        ("*** STEP 4711.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", "time-limit"),
        ("*** JOB 4711 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***", "canceled"),
        ("*** JOB 47110 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", "canceled"),
    ],
)
def test_the_cause_is_read_from_slurms_line_in_the_log(job: NewJob, notice: str, cause: str) -> None:
    one = job(WAITS)
    one.change_plan(scheduler="slurm", launcher="srun")
    process = one.start(SLURM_JOB_ID="4711")
    one.await_file("outputs/ready")
    with open(one.layout.job_log, "a") as log:
        log.write(f"slurmstepd: error: {notice}\n")
    process.terminate()
    assert one.wait() == 143
    assert one.end["cause"] == cause


WITHOUT_END = {"SLURM_JOB_ID": "4711"}


@pytest.mark.parametrize(
    ("limit_s", "environ", "left"),
    [
        (30, WITHOUT_END, range(31, 61)),  # Slurm's limits are in whole minutes
        (None, {**WITHOUT_END, "SLURM_JOB_END_TIME": "100"}, range(60, 101)),
        (3600, {**WITHOUT_END, "SLURM_JOB_END_TIME": "100"}, range(60, 101)),  # Slurm's end time takes precedence
    ],
)
def test_a_warning_before_the_time_limit_needs_no_signal(
    job: NewJob, limit_s: int | None, environ: dict[str, str], left: range
) -> None:
    one = job(UNTIL_GO)
    one.change_plan(size__time_s=limit_s, scheduler="slurm", launcher="srun")
    if "SLURM_JOB_END_TIME" in environ:
        environ = {**environ, "SLURM_JOB_END_TIME": str(int(time.time()) + 100)}
    process = one.start(**environ)
    until(lambda: one.events("time-warning"), "the warning")
    process.send_signal(signal.SIGUSR2)
    until(lambda: one.events("signal"), "the signal")
    one.await_file("outputs/ready")
    (one.folder / "outputs" / "go").touch()
    assert one.wait() == 0
    (warning,) = one.events("time-warning")
    assert warning["left_s"] in left


@pytest.mark.parametrize(("limit_s", "left"), [(None, [None]), (150, range(140, 181)), (3600, [])])
def test_only_a_signal_near_the_time_limit_is_its_warning(job: NewJob, limit_s: int | None, left: Sequence[int | None]) -> None:
    """Slurm's may come a minute early; one that comes hours before the limit is not Slurm's."""
    one = job(UNTIL_GO)
    one.change_plan(size__time_s=limit_s, scheduler="slurm", launcher="srun")
    process = one.start(**WITHOUT_END)
    one.await_file("outputs/ready")
    process.send_signal(signal.SIGUSR2)
    until(lambda: one.events("signal"), "the signal")
    (one.folder / "outputs" / "go").touch()
    assert one.wait() == 0
    warnings = [event["left_s"] for event in one.events("time-warning")]
    assert warnings == [seconds for seconds in warnings if seconds in left]
    assert bool(warnings) == bool(left)


SCONTROL = """#!/bin/sh
echo "JobId=4711 JobName=x JobState=RUNNING PreemptTime={}"
"""


@pytest.mark.parametrize("restarts", [[], [{"cause": "preempted", "times": None}]])
@pytest.mark.parametrize(("preempt_time", "noticed"), [("2026-11-28T20:00:00", ["preempted"]), ("None", [])])
def test_a_preemption_shortly_before_the_limit_is_announced(
    job: NewJob, tmp_path: Path, preempt_time: str, noticed: list[str], restarts: list[object]
) -> None:
    """Slurm's signal may also be its warning of the limit, which comes as early; Slurm is asked which it is."""
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(SCONTROL.format(preempt_time))
    scontrol.chmod(0o755)
    one = job(UNTIL_GO)
    one.change_plan(scheduler="slurm", launcher="srun", notice__before=10, restarts=restarts)
    path = f"{scontrol.parent}:{os.environ['PATH']}"
    process = one.start(**WITHOUT_END, SLURM_JOB_END_TIME=str(int(time.time()) + 150), PATH=path)
    one.await_file("outputs/ready")
    process.send_signal(signal.SIGUSR2)
    until(lambda: one.events("signal"), "the signal")
    if noticed:
        until(lambda: one.events("noticed"), "the notice")
        until(lambda: any((one.folder / "notice").glob("*.json")), "the script's file")
    (one.folder / "outputs" / "go").touch()
    one.wait()
    assert [event["cause"] for event in one.events("noticed")] == noticed
    assert len(one.events("time-warning")) == 1


def test_the_error_is_reported_ahead_of_the_array_in_its_message(job: NewJob) -> None:
    one = job("raise ValueError('can not convert {\\n' + '\\n'.join(f'  [{row}. 0.123],' for row in range(60)))")
    one.start()
    assert one.wait() == 1
    tail = one.events("ended")[0]["tail"]
    assert 'train.py", line' in tail
    assert "ValueError: can not convert {" in tail
    assert len(tail.splitlines()) <= 20
