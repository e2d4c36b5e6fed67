"""Files whose first writer wins, also where the file system tells of an error and has done it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from slurmtf.job.contract.sweep import once


def test_the_first_of_two_writes_it_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "stopped.json"
    assert once.publish({"why": "error"}, str(path))
    assert not once.publish({"why": "canceled"}, str(path))
    assert json.loads(path.read_text(encoding="utf-8")) == {"why": "error"}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("number", "is_linked"), [(errno.EEXIST, True), (errno.EEXIST, False), (errno.EIO, True), (errno.EIO, False)]
)
def test_what_an_answer_says_counts_less_than_the_inode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_linked: bool
) -> None:
    link = os.link

    def answer(own: str, path: str) -> None:
        if is_linked:
            link(own, path)
        raise OSError(number, os.strerror(number))

    own, name = tmp_path / "owner", tmp_path / "0.0"
    own.touch()
    monkeypatch.setattr(os, "link", answer)
    if (number, is_linked) == (errno.EIO, False):
        with pytest.raises(OSError, match=os.strerror(number)):
            once.link(str(own), str(name))
    else:
        assert once.link(str(own), str(name)) is is_linked


def test_an_owners_own_file_is_not_written_over(tmp_path: Path) -> None:
    path = str(tmp_path / "owner.a.0")
    once.write({"element": "a"}, path)
    with pytest.raises(FileExistsError):
        once.write({"element": "b"}, path)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert once.names(str(tmp_path / "none")) == []
