"""What a script writes to the run folder: shared by threads and forks, and harmlessly lost if the disk refuses it."""

from __future__ import annotations

import io
import os
import resource
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.contract.metrics.entries import Entry, from_line, to_line
from slurmtf.job.script import files
from slurmtf.job.script.files import Lines, copy_into, keep

EACH = 2000


def values(path: Path) -> Counter[Any]:
    lines = path.read_bytes().splitlines(keepends=True)
    return Counter(None if entry is None else entry.value for entry in map(from_line, lines))


def line(value: float | str) -> bytes:
    return to_line(Entry("loss", value))


def log_many(lines: Lines, first: int) -> None:
    for n in range(first, first + EACH):
        lines.write(line(n))


def test_threads_share_a_file(tmp_path: Path) -> None:
    lines = Lines(str(tmp_path / "metrics/a.jsonl"))
    work = [threading.Thread(target=log_many, args=(lines, i * EACH)) for i in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert values(tmp_path / "metrics/a.jsonl") == Counter(range(4 * EACH))


def test_forked_processes_share_a_file(tmp_path: Path) -> None:
    lines = Lines(str(tmp_path / "metrics/a.jsonl"))
    lines.write(line(-1))
    children = []
    for i in range(4):
        child = os.fork()
        if not child:
            log_many(lines, i * EACH)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert values(tmp_path / "metrics/a.jsonl") == Counter(range(-1, 4 * EACH))


def test_each_line_is_written_immediately(tmp_path: Path) -> None:
    lines = Lines(str(tmp_path / "a.jsonl"))
    for n in range(3):
        lines.write(line(n))
        assert values(tmp_path / "a.jsonl") == Counter(range(n + 1))
    assert (tmp_path / "a.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_reported_once_and_tolerated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    path = tmp_path / "a.jsonl"
    path.symlink_to("/dev/full")
    lines = Lines(str(path))
    for n in range(1000):
        lines.write(line(n))
    stderr = capsys.readouterr().err
    assert stderr.count("No space left on device") == 1
    assert str(path) in stderr
    path.unlink()
    lines.write(line(1000))
    assert not path.exists(), "it is tried again after a while only"
    monkeypatch.setattr(files, "RETRY_S", 0)
    lines._retry_at = 0
    lines.write(line(1001))
    assert values(path) == Counter([1001])
    assert "1001 values were lost" in capsys.readouterr().err


def test_a_truncated_line_loses_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(files, "RETRY_S", 0)
    lines = Lines(str(tmp_path / "a.jsonl"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    lines.write(line(0))
    size = len(line(0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 2, limits[1]))
    try:
        lines.write(line("cut"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    lines.write(line(2))
    assert values(tmp_path / "a.jsonl") == Counter([0, 2])
    assert "can't write" in capsys.readouterr().err


def test_a_removed_folder_does_not_end_the_script(tmp_path: Path, capsys: Any) -> None:
    lines = Lines(str(tmp_path / "metrics/a.jsonl"))
    lines.write(line(0))
    shutil.rmtree(tmp_path / "metrics")
    lines.write(line(1))
    (tmp_path / "b").write_text("no folder")
    Lines(str(tmp_path / "b/a.jsonl")).write(line(0))
    assert "can't write" in capsys.readouterr().err


def test_errors_without_a_stderr_do_not_end_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").write_text("no folder")
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr("sys.stderr", stream)
        Lines(str(tmp_path / "b/a.jsonl")).write(line(0))


def test_a_file_is_stored_completely_or_not_at_all(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "given").write_bytes(b"data")
    assert keep(str(tmp_path / "new/a"), copy_into(str(tmp_path / "given")))
    assert keep(str(tmp_path / "new/b"), copy_into(io.BytesIO(b"stream")))
    assert not keep(str(tmp_path / "new/c"), copy_into(str(tmp_path / "absent")))
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == {"a": b"data", "b": b"stream"}
    assert "absent" in capsys.readouterr().err
