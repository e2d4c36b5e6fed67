"""The notice that a script will be ended: once, by signal and file, and never the one that an earlier attempt left."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from slurmtf.job.contract.life import Notice
from slurmtf.job.task.notice import NoticeGiver
from tests.unit.job.children import Hearing

FACTS = {"cause": "time-limit"}


ALONE = -signal.SIGUSR1
"""The signal to the script itself, not to the processes it started."""


def giver(path: Path, name: str = "USR1") -> NoticeGiver:
    return NoticeGiver(Notice(before=60, signal=f"SIG{name}" if name else ""), str(path))


def test_a_notice_is_given_once(tmp_path: Path, child: Hearing) -> None:
    path = tmp_path / "notice" / "main-0.json"
    one = giver(path)
    one.give(FACTS, child)
    one.give({"cause": "preempted"}, child)
    assert (json.loads(path.read_text()), child.heard) == (FACTS, [ALONE])


def test_before_the_script_starts_only_the_file_is_written(tmp_path: Path, child: Hearing) -> None:
    """It is also there for the script of a launch with its own folder, which looks elsewhere."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    one = giver(first)
    one.give(FACTS, None)
    one.prepare(str(second))
    one.give(FACTS, child)
    assert (json.loads(first.read_text()), json.loads(second.read_text()), child.heard) == (FACTS, FACTS, [])


def test_the_file_is_written_where_the_script_looks(tmp_path: Path, child: Hearing) -> None:
    one = giver(tmp_path / "first.json")
    one.prepare(str(tmp_path / "second.json"))
    one.give(FACTS, child)
    assert [path.name for path in tmp_path.iterdir()] == ["second.json"]


def test_the_notice_of_an_earlier_attempt_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "notice.json"
    path.write_text("{}")
    giver(tmp_path / "other.json").prepare(str(path))
    giver(path).prepare(str(path))
    assert not path.exists()


@pytest.mark.parametrize(("name", "ignored"), [("USR1", signal.SIGUSR1), ("TERM", 0), ("INT", 0), ("HUP", 0), ("", 0)])
def test_signals_that_end_scripts_are_not_ignored(tmp_path: Path, name: str, ignored: int) -> None:
    assert giver(tmp_path, name).ignored == ignored


def test_a_run_folder_that_was_removed_does_not_come_back(tmp_path: Path, child: Hearing) -> None:
    folder = tmp_path / "run"
    giver(folder / "notice" / "main-0.json").give(FACTS, child)
    assert not folder.exists()
    assert child.heard == [ALONE]
