"""Paths keep the names that their user gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import InputError
from slurmtf.paths import to_absolute
from tests.unit.support import refusing


def test_the_spelling_of_pwd_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk17/ada").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk17")
    monkeypatch.chdir(tmp_path / "home/ada")
    monkeypatch.setenv("PWD", str(tmp_path / "home/ada"))
    assert to_absolute("env/bin/python") == f"{tmp_path}/home/ada/env/bin/python"
    assert to_absolute("../x") == f"{tmp_path}/home/x"
    assert to_absolute("/scratch/./a") == "/scratch/a"
    assert to_absolute("~/a") == str(Path.home() / "a")


@pytest.mark.parametrize("pwd", ["", "relative", "/", "/gone"])
def test_a_pwd_that_is_not_here_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pwd: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", pwd)
    assert to_absolute("a") == str(tmp_path.resolve() / "a")


def test_a_working_directory_that_was_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert to_absolute("/a") == "/a"
    with refusing(InputError, "no-working-directory"):
        to_absolute("a")
