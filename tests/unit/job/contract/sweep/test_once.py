"""Files whose first writer wins, even if the file system reports an error although it wrote the file."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from slurmtf.job.contract.sweep import once


def test_the_first_writer_wins_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "stopped.json"
    assert once.publish({"why": "error"}, str(path))
    assert not once.publish({"why": "canceled"}, str(path))
    assert json.loads(path.read_text(encoding="utf-8")) == {"why": "error"}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("number", "is_linked"), [(errno.EEXIST, True), (errno.EEXIST, False), (errno.EIO, True), (errno.EIO, False)]
)
def test_the_inode_counts_more_than_the_reported_error(
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


def test_a_file_of_its_owner_is_not_overwritten(tmp_path: Path) -> None:
    path = str(tmp_path / "owner.a.0")
    once.write({"element": "a"}, path)
    with pytest.raises(FileExistsError):
        once.write({"element": "b"}, path)


def test_a_missing_folder_counts_as_empty(tmp_path: Path) -> None:
    assert once.list_names(str(tmp_path / "none")) == []
