"""Jobs that leave nothing behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_S

from .jobs import Job, NewJob, new_job


@pytest.fixture
def job(tmp_path: Path) -> Iterator[NewJob]:
    """Makes a job with a script; what is still running after the test is ended."""
    made: list[Job] = []

    def make(train: str = "", files: Mapping[str, str] | None = None, **settings: Any) -> Job:
        folder = tmp_path / f"job-{len(made)}"
        folder.mkdir()
        made.append(new_job(folder, train, files, **settings))
        return made[-1]

    yield make
    for one in made:
        one.clean_up()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The node's local disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB. Needs root."""
    with mounted(tmp_path / "small", "size=1m") as folder:
        yield folder


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory with these limits; the test is skipped if it can't be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], timeout=HANG_S, check=True)
