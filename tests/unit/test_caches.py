"""Where locks and the index lie: never on a file system that is shared. And what is kept there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmtf import caches
from slurmtf.job.contract.system import mounts
from slurmtf.job.contract.system.mounts import Mount

LOCAL = [Mount("/", "8:1", "ext4")]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))


def local_with(monkeypatch: pytest.MonkeyPatch, *shared: Path) -> Path | None:
    monkeypatch.setattr(mounts, "read_mounts", lambda: [*LOCAL, *(Mount(str(path), "0:9", "nfs4") for path in shared)])
    return caches.find_local_cache()


def test_the_users_cache_unless_it_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, run = tmp_path / "cache", tmp_path / "run"
    assert local_with(monkeypatch) == cache / "slurmtf"
    assert local_with(monkeypatch, cache) == run / "slurmtf"
    found = local_with(monkeypatch, cache, run)
    assert found is not None
    assert (found.parent, found.stat().st_mode & 0o777) == (tmp_path / "tmp", 0o700)
    assert local_with(monkeypatch, tmp_path) is None


def test_a_folder_that_others_can_write_to_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache" / "slurmtf").mkdir(parents=True)
    (tmp_path / "cache" / "slurmtf").chmod(0o777)
    assert local_with(monkeypatch) == tmp_path / "run" / "slurmtf"


def built(room: str, key: object, content: bytes) -> tuple[bytes, bool]:
    """Return what is kept, and whether it was built for that."""
    calls: list[bytes] = []

    def build() -> bytes:
        calls.append(content)
        return content

    return caches.get_or_build(room, key, build), bool(calls)


def test_what_is_kept_is_built_once_for_each_key() -> None:
    assert built("room", ["a", 1], b"one") == (b"one", True)
    assert built("room", ["a", 1], b"two") == (b"one", False)
    assert built("room", ["a", 2], b"two") == (b"two", True)
    assert built("other", ["a", 1], b"three") == (b"three", True)


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(path.read_bytes() + b"x"), lambda path: path.chmod(0o622),
                                   lambda path: path.write_bytes(b""), lambda path: path.parent.chmod(0o777)])  # fmt: skip
def test_what_is_not_as_it_was_written_or_could_be_another_ones_is_built_anew(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    built("room", "key", b"one")
    (path,) = (tmp_path / "cache" / "slurmtf" / "room").iterdir()
    spoil(path)
    assert built("room", "key", b"two") == (b"two", True)


def test_a_cache_that_can_not_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("", encoding="utf-8")
    assert built("room", "key", b"one") == built("room", "key", b"one") == (b"one", True)


def test_a_room_has_room_for_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MOST_FILES", 2)
    room = tmp_path / "cache" / "slurmtf" / "room"
    for number in range(4):
        built("room", number, b"")
        for path in room.iterdir():
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))
    assert len(list(room.iterdir())) == 2
    assert not built("room", 3, b"")[1]


def test_a_file_that_changed_has_another_stamp(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a", encoding="utf-8")
    first = caches.read_stamps([path])
    path.write_text("ab", encoding="utf-8")
    assert caches.read_stamps([path]) != first
