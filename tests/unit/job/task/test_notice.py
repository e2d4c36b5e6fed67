"""The notice that a script will be ended: once, by signal and file, and none that an earlier attempt has left."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.contract.life import Notice
from slurmtf.job.task.notice import NoticeGiver

FACTS = {"cause": "time-limit"}


class Script:
    def __init__(self) -> None:
        self.heard: list[int] = []

    def tell(self, number: int) -> None:
        self.heard.append(number)


@pytest.fixture
def script() -> Any:
    return Script()


def giver(signal: str = "USR1") -> NoticeGiver:
    return NoticeGiver(Notice(before=60, signal=f"SIG{signal}" if signal else ""))


def test_it_comes_once(tmp_path: Path, script: Any) -> None:
    path, one = tmp_path / "notice" / "main-0.json", giver()
    one.give(str(path), FACTS, script)
    one.give(str(path), {"cause": "preempted"}, script)
    assert (json.loads(path.read_text()), script.heard) == (FACTS, [signal.SIGUSR1])


def test_before_the_script_has_started_there_is_the_file_alone(tmp_path: Path, script: Any) -> None:
    path, one = tmp_path / "notice.json", giver()
    one.give(str(path), FACTS, None)
    path.unlink()
    one.prepare(str(path))
    one.give(str(path), FACTS, script)
    assert (json.loads(path.read_text()), script.heard) == (FACTS, [])


def test_that_of_an_earlier_attempt_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "notice.json"
    path.write_text("{}")
    giver().prepare(str(path))
    giver().prepare(str(path))
    assert not path.exists()


@pytest.mark.parametrize(("name", "ignored"), [("USR1", signal.SIGUSR1), ("TERM", 0), ("INT", 0), ("HUP", 0), ("", 0)])
def test_a_signal_by_which_scripts_end_is_not_ignored_for_them(name: str, ignored: int) -> None:
    assert giver(name).ignored == ignored


def test_a_run_folder_that_was_removed_does_not_come_back(tmp_path: Path, script: Any) -> None:
    folder = tmp_path / "run"
    giver().give(str(folder / "notice" / "main-0.json"), FACTS, script)
    assert not folder.exists()
    assert script.heard == [signal.SIGUSR1]
