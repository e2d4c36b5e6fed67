"""An interpreter's answer is remembered only as long as it would stay the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import memory
from slurmtf.environments.memory import recall, remember

LATER_NS = 3 * memory.YOUNG_NS
KEY = ("python3", "-c", "question")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_known", {})


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    for name in ("bin", "lib", "source"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "pyvenv.cfg").touch()
    return tmp_path


def answer(venv: Path, **changed: Any) -> dict[str, Any]:
    return {"executable": f"{venv}/bin/python", "path": [f"{venv}/lib"], "hooked": False, "packages": {}, **changed}


def remembered(venv: Path, later_ns: int = LATER_NS, **changed: Any) -> dict[str, Any] | None:
    remember(KEY, answer(venv, **changed), [f"{venv}/source"], time.time_ns() + later_ns)
    return recall(KEY)


def test_an_answer_is_remembered_while_nothing_changes(venv: Path) -> None:
    assert remembered(venv) == answer(venv)
    assert recall(KEY) == answer(venv)
    assert recall(("another",)) is None


def _age(path: Path) -> None:
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize(
    "change",
    [
        lambda venv: (venv / "lib" / "new_package").mkdir(),
        lambda venv: (venv / "source" / "own.py").touch(),
        lambda venv: (venv / "bin" / "python").write_text("another version"),
        lambda venv: (venv / "pyvenv.cfg").unlink(),
        lambda venv: _age(venv / "lib"),
        lambda venv: (venv / "lib").rename(venv / "gone"),
    ],
)
def test_an_answer_is_forgotten_when_something_changes(venv: Path, change: Callable[[Path], Any]) -> None:
    assert remembered(venv)
    change(venv)
    assert recall(KEY) is None


@pytest.mark.parametrize("changed", [{"hooked": True}, {"path": ["lib"]}, {"executable": ""}])
def test_an_invalid_answer_is_not_remembered(venv: Path, changed: dict[str, Any]) -> None:
    assert remembered(venv, **changed) is None


def test_an_answer_after_a_recent_change_is_not_remembered(venv: Path) -> None:
    assert remembered(venv, later_ns=0) is None
