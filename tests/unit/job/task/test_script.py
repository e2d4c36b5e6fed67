"""One run of a task's script: its folder, its command, a failed start, and its activity."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.contract.attempt.outcome import End
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.life import Stall
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder, Run
from slurmtf.job.contract.roles import Role
from slurmtf.job.task import ports
from slurmtf.job.task.script import Script, Watch, prepare

PLAN = JobPlan(Run("x-1", "x"), "local", Distribution((("main", 1),)))
MAIN = Role(0, "main", 0, 0)


def script(folder: Path, order: LaunchOrder | None = None) -> Script:
    layout = RunLayout(str(folder))
    Path(layout.work).mkdir(parents=True, exist_ok=True)
    start = {"launch": order.to_dict()} if order else {}
    return prepare(PLAN, layout, MAIN, start, {}, ["python", "train.py"], {"PATH": "/bin"})


def test_a_script_starts_with_the_runs_command_in_its_work_folder(tmp_path: Path) -> None:
    one, layout = script(tmp_path), RunLayout(str(tmp_path))
    assert (one.words, one.folder) == (["python", "train.py"], layout.work)
    assert one.logs == (layout.task_log("main-0", "out"), layout.task_log("main-0", "err"))
    assert one.notice == layout.notice("main-0") == one.variables["SLURMTF_NOTICE"]
    assert Path(layout.logs).stat().st_mode & 0o777 == 0o700


def test_an_order_brings_its_own_command_arguments_and_folder(tmp_path: Path) -> None:
    order = LaunchOrder(("--lr", "1"), {"SEED": "3"}, "trials/0", ("python", "other.py"))
    one, own = script(tmp_path, order), RunLayout(str(tmp_path)).launch("trials/0")
    assert one.words == ["python", "other.py", "--lr", "1"]
    assert (one.folder, one.notice, one.variables["SEED"]) == (own.work, own.notice("main-0"), "3")
    assert one.logs == (own.task_log("main-0", "out"), own.task_log("main-0", "err"))
    assert Path(one.folder).is_dir()
    assert Path(own.logs).is_dir()


def test_logs_are_appended_to_those_of_an_earlier_attempt(tmp_path: Path) -> None:
    one = script(tmp_path)
    assert one.get_log_positions() == [0, 0]
    Path(one.logs[1]).write_bytes(b"x" * 7)
    assert one.get_log_positions() == [0, 7]


@pytest.mark.parametrize(
    ("number", "name", "code"),
    [
        (errno.ENOENT, "python", 127),
        (errno.EACCES, "python", 126),
        (errno.EPERM, None, 126),
        (errno.ENOEXEC, None, 127),
        (errno.ENOENT, "no-such-\udcff", 127),
    ],
)
def test_the_reason_of_a_failed_start_is_in_the_log(tmp_path: Path, number: int, name: str | None, code: int) -> None:
    one = script(tmp_path)
    Path(one.logs[1]).write_text("earlier\n", encoding="utf-8")
    assert one.note_failed_start(OSError(number, os.strerror(number), name)) == End(code)
    log = Path(one.logs[1]).read_bytes()
    assert log.startswith(b"earlier\n")
    assert os.fsencode(name or "python") in log
    assert os.strerror(number).encode() in log


@pytest.mark.parametrize(("grows", "expected"), [("out", True), ("err", True), ("metrics", True), ("other", False)])
def test_activity_that_keeps_a_script_from_counting_as_stalled(tmp_path: Path, clock: Any, grows: str, expected: bool) -> None:
    one = script(tmp_path)
    metrics = Path(one.layout.task_metrics("main-0"))
    files = {"out": Path(one.logs[0]), "err": Path(one.logs[1]), "metrics": metrics, "other": tmp_path / "other"}
    watch = Watch(one, Stall(minutes=1, cpu=False), None)
    clock.go(60)
    watch.tick(os.getpid())
    clock.go(60)
    assert watch.tick(os.getpid()) is False
    files[grows].parent.mkdir(exist_ok=True)
    files[grows].write_text("x", encoding="utf-8")
    clock.go(60)
    assert watch.tick(os.getpid()) is expected


def test_the_time_at_which_logs_grew_is_recorded(tmp_path: Path, clock: Any) -> None:
    one = script(tmp_path)
    watch = Watch(one, Stall(), None)
    for log in one.logs:
        Path(log).write_text("x" * 3, encoding="utf-8")
        clock.go(1)
        watch.tick(os.getpid())
    lines = Path(one.layout.log_clock("main-0")).read_text(encoding="ascii").splitlines()
    assert [line.split()[1:] for line in lines] == [["3", "3"]]


# --- the port that is held for a TensorFlow server


@pytest.mark.parametrize(
    ("version", "shares"),
    [("2.16.1", True), ("2.3", True), ("2.2.0", False), ("1.15", False), ("3.0", True), ("", True), ("2.x", True)],
)
def test_versions_of_tensorflow_that_share_a_port(version: str, shares: bool) -> None:
    assert ports.can_share(version) is shares


@pytest.mark.parametrize(
    ("installed", "shares"),
    [
        ("tensorflow-2.2.0", False),
        ("tensorflow_cpu-2.16.1", True),
        ("tensorflow_estimator-1.0.0", True),
        ("numpy-1.0", True),
    ],
)
def test_the_version_of_tensorflow_is_read_where_the_script_would_find_it(tmp_path: Path, installed: str, shares: bool) -> None:
    (tmp_path / f"{installed}.dist-info").mkdir()
    assert ports.are_shared_by(sys.executable, {"PYTHONPATH": str(tmp_path)}) is shares
    assert ports.are_shared_by(str(tmp_path / "no-python"), {}) is True
