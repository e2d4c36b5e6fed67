"""Where locks and the index lie: never on a file system that is shared."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from slurmtf import caches
from slurmtf.job.contract import mounts
from slurmtf.job.contract.mounts import Mount

LOCAL = [Mount("/", "8:1", "ext4")]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))


def local_with(monkeypatch: pytest.MonkeyPatch, *shared: Path) -> Path | None:
    monkeypatch.setattr(mounts, "mounts", lambda: [*LOCAL, *(Mount(str(path), "0:9", "nfs4") for path in shared)])
    return caches.local_cache()


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
