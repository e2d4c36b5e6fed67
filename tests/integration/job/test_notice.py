"""The script gets notice that it will be ended, once by a signal and by a file; how its exit is then judged."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Input
from tests.patience import until

from .disks import on
from .jobs import Job, NewJob, many

LISTENS = """\
import json, os, pathlib, signal, sys, time
from slurmtf import Run
run, rank, heard = Run.get_context(), os.environ["SLURMTF_RANK"], []
signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
while not run.should_stop():
    time.sleep(0.05)
time.sleep(1)
notice = json.loads(pathlib.Path(os.environ["SLURMTF_NOTICE"]).read_text())
with open("outputs/notice-" + rank, "a") as file:
    file.write(json.dumps([heard, notice["why"], os.environ["SLURMTF_ATTEMPT"]]) + "\\n")
"""
NOTICE: dict[str, Any] = {"notice": {"before": 60, "signal": "SIGUSR1"}, "max_run_duration_seconds": 66}


def read_notices(job: Job, rank: int = 0) -> list[Any]:
    return [json.loads(line) for line in (job.folder / f"outputs/notice-{rank}").read_text().splitlines()]


def test_a_script_that_exits_on_notice_has_not_succeeded(job: NewJob) -> None:
    one = job(
        LISTENS.replace("while not", "assert not run.should_stop()\nwhile not"), **NOTICE | {"max_run_duration_seconds": 75}
    )
    assert one.run() == 1
    assert read_notices(one) == [[[10], "time-limit", "1"]]
    (noticed,) = one.events("noticed")
    assert noticed["cause"] == "time-limit"
    assert 0 < noticed["left_s"] <= 60
    assert (one.end["cause"], one.end["exit_code"], one.end["detail"]) == ("time-limit", 0, {"noticed": True})
    assert one.result()[0] == "error"


def test_a_script_that_exits_on_notice_continues_in_another_attempt(job: NewJob) -> None:
    again = "if os.environ['SLURMTF_ATTEMPT'] == '2':\n    sys.exit()\n"
    one = job("import os, sys\n" + again + LISTENS, restarts={"time-limit": 3}, **NOTICE)
    assert one.run() == 0
    assert read_notices(one) == [[[10], "time-limit", "1"]]
    assert [event["how"] for event in one.events("restart")] == ["launch"]
    assert not (one.folder / "notice/main-0.json").exists()


@pytest.mark.parametrize(("code", "cause"), [(85, "time-limit"), (0, "script"), (3, "script")])
def test_only_the_configured_exit_code_asks_to_continue(job: NewJob, code: int, cause: str) -> None:
    one = job(LISTENS + f"sys.exit({code})", **NOTICE | {"notice": {"before": 60, "exit_code": 85}})
    assert one.run() == (code or 0)
    assert read_notices(one) == [[[], "time-limit", "1"]]
    assert (one.end["cause"], one.end["exit_code"]) == (cause, code)


def test_every_task_gets_the_notice_once(job: NewJob) -> None:
    one = job(LISTENS, **NOTICE)
    many(one, 3)
    one.change_plan(launcher="spawn")
    one.launcher = [one.python, "-I", one.layout.agent, "spawn", "3", "--"]
    one.run()
    assert [read_notices(one, rank) for rank in range(3)] == [[[[10], "time-limit", "1"]]] * 3
    assert one.end["cause"] == "time-limit"


def test_a_script_that_ignores_the_notice_goes_on(job: NewJob) -> None:
    one = job("import time; time.sleep(8); print('done')", **NOTICE | {"notice": {"before": 60, "exit_code": 85}})
    one.change_plan(notice__signal="SIGUSR1")
    assert one.run() == 0
    assert (one.end["cause"], one.end["exit_code"]) == ("script", 0)


def test_a_launch_after_the_notice_gets_it_as_well(job: NewJob) -> None:
    one = job("open('outputs/ready', 'w').close()\n" + LISTENS, notice={"before": 60, "signal": "SIGUSR1", "exit_code": 85})
    one.change_plan(launches=[{"arguments": [], "variables": {}, "folder": folder} for folder in ("first", "second")])
    one.start_and_await("first/outputs/ready").send_signal(signal.SIGUSR2)
    assert one.wait() == 0
    for folder in ("first", "second"):
        (line,) = (one.folder / folder / "outputs/notice-0").read_text().splitlines()
        assert json.loads(line)[1] == "time-limit"
    assert len(one.events("noticed")) == 1


def test_the_process_that_copies_to_a_nodes_disk_gets_no_notice(job: NewJob, disk: Path, tmp_path: Path) -> None:
    """It does not handle the signal, which would end it."""
    data = tmp_path / "data"
    data.mkdir()
    for number in range(5000):
        (data / str(number)).touch()
    script = "import os\nassert len(os.listdir(os.environ['SLURMTF_INPUT_DATA'])) == 5000\n" + LISTENS
    one = on(disk, job(script, inputs=[Input(data, "data", "download")], notice={"before": 60, "signal": "SIGUSR1"}))
    supervisor = one.start()
    stage = until(lambda: next((pid for pid in one.processes() if fills(pid)), 0), "what fills the disk")
    os.kill(stage, signal.SIGSTOP)
    supervisor.send_signal(signal.SIGUSR2)
    one.await_file("notice/main-0.json")
    os.kill(stage, signal.SIGCONT)
    one.wait()
    assert [line[:2] for line in read_notices(one)] == [[[], "time-limit"]], one.log()


def fills(pid: int) -> bool:
    try:
        return b"\0stage\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
