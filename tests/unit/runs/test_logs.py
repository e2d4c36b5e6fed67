"""Logs as they grow: whole lines, each with its task, in bounded memory."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs import logs
from slurmtf.runs.logs import LogReader, locate_last_lines
from tests.patience import HANG_S

MEMORY = 300 << 20
SHOW = """\
import resource, sys
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.logs import LogReader
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
reader = LogReader(RunLayout(sys.argv[1]), sys.stdout, last={last})
reader.show_rest()
"""


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    (tmp_path / "logs").mkdir()
    return RunLayout(str(tmp_path))


def write(layout: RunLayout, name: str, data: bytes) -> Path:
    path = Path(layout.logs, name)
    with path.open("ab") as file:
        file.write(data)
    return path


def shown(layout: RunLayout, last: int | None = None) -> str:
    output = io.StringIO()
    LogReader(layout, output, last=last).show_rest()
    return output.getvalue()


def test_lines_are_shown_when_they_are_complete(layout: RunLayout) -> None:
    output = io.StringIO()
    reader = LogReader(layout, output)
    seen = []
    for data in (b"one\ntw", b"o\n", b"th", b"ree"):
        write(layout, "main-0.out", data)
        reader.show_new()
        seen.append(output.getvalue())
    assert seen == ["one\n", "one\ntwo\n", "one\ntwo\n", "one\ntwo\n"]
    reader.show_rest()
    assert output.getvalue() == "one\ntwo\nthree"


class FullDisk(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_of_the_output_is_none_of_the_log(layout: RunLayout) -> None:
    write(layout, "main-0.out", b"one\n")
    reader = LogReader(layout, FullDisk())
    with pytest.raises(OSError, match="No space left"):
        reader.show_new()
    assert reader.unreadable == set()


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 18])
@pytest.mark.parametrize("text", ["", "a", "a\n", "\n", "ü\n€", "a\nbb\n\nccc\nd", "lang " * 9 + "\n" + "x"])
def test_the_log_is_shown_unchanged(layout: RunLayout, text: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "CHUNK", chunk)
    write(layout, "main-0.out", text.encode())
    assert shown(layout) == text


@pytest.mark.parametrize("chunk", [1, 4, 1 << 18])
def test_lines_of_several_tasks_have_their_tasks_name_once(
    layout: RunLayout, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "CHUNK", chunk)
    write(layout, "worker-0.out", b"a long line\nb\nwithout an end")
    write(layout, "worker-1.out", b"c\n")
    assert sorted(shown(layout).splitlines()) == [
        "worker-0 | a long line",
        "worker-0 | b",
        "worker-0 | without an end",
        "worker-1 | c",
    ]


def test_invalid_utf8_is_replaced(layout: RunLayout) -> None:
    write(layout, "main-0.out", b"a\xff\nb\n")
    assert shown(layout) == "a\ufffd\nb\n"


def test_a_truncated_log_is_read_from_its_beginning(layout: RunLayout) -> None:
    output = io.StringIO()
    reader = LogReader(layout, output)
    path = write(layout, "main-0.out", b"first\nsecond\n")
    reader.show_new()
    path.write_bytes(b"third\n")
    reader.show_new()
    assert output.getvalue() == "first\nsecond\nthird\n"


@pytest.mark.parametrize("chunk", [1, 3, 1 << 18])
@pytest.mark.parametrize("text", [b"", b"a", b"\n", b"a\nb\nc\n", b"a\n\nc", b"\n\n\n"])
@pytest.mark.parametrize("count", range(5))
def test_start_of_the_last_lines(tmp_path: Path, text: bytes, count: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "CHUNK", chunk)
    path = tmp_path / "log"
    path.write_bytes(text)
    kept = text.splitlines(keepends=True)[-count:] if count else []
    assert text[locate_last_lines(path, count) :] == b"".join(kept)


def test_only_the_last_lines_and_new_ones_are_shown(layout: RunLayout) -> None:
    output = io.StringIO()
    reader = LogReader(layout, output, last=1)
    write(layout, "main-0.out", b"first\nsecond\n")
    reader.show_new(history=True)
    write(layout, "main-0.out", b"third\nfourth\n")
    reader.show_new()
    assert output.getvalue() == "second\nthird\nfourth\n"


def limited(layout: RunLayout, last: int | None = None) -> int:
    """Return the number of bytes shown by a process under the memory limit of a login node."""
    code = SHOW.format(memory=MEMORY, last=last)
    process = subprocess.Popen([sys.executable, "-c", code, layout.folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    count = 0
    while chunk := process.stdout.read(1 << 20):
        count += len(chunk)
    assert process.wait(HANG_S) == 0, process.stderr.read()
    return count


@pytest.mark.parametrize("tasks", [1, 2])
def test_a_log_and_a_line_larger_than_memory_are_shown(layout: RunLayout, tasks: int) -> None:
    size = MEMORY + (100 << 20)
    for task in range(tasks):
        with write(layout, f"worker-{task}.out", b"first\n").open("r+b") as file:
            file.truncate(size)  # one line of zeros
    labels = len("worker-0 | ") * 2 + 1 if tasks > 1 else 0
    assert limited(layout) == tasks * (size + labels)


def test_the_tail_of_a_huge_log_is_read_alone(layout: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    with write(layout, "main-0.out", b"").open("r+b") as file:
        file.truncate(1 << 40)  # a hole: reading it would take an hour
        file.seek(0, 2)
        file.write(b"\nlast but one\nlast\n")
    assert limited(layout, last=2) == len("last but one\nlast\n")


def test_an_unreadable_log_is_named_and_the_others_are_shown(layout: RunLayout) -> None:
    write(layout, "worker-0.out", b"here\n")
    write(layout, "worker-1.out", b"").unlink()
    Path(layout.logs, "worker-1.out").mkdir()
    output = io.StringIO()
    reader = LogReader(layout, output)
    reader.show_rest()
    assert output.getvalue() == "worker-0 | here\n"
    assert reader.unreadable == {Path(layout.logs, "worker-1.out")}


@pytest.mark.parametrize(("text", "there"), [(None, False), ("", False), ("srun: x\n", True)], ids=["none", "empty", "some"])
def test_an_empty_job_log_is_not_shown(layout: RunLayout, text: str | None, there: bool) -> None:
    """A submission creates it with private permissions before Slurm opens it."""
    if text is not None:
        write(layout, "job.log", text.encode())
    reader = LogReader(layout, io.StringIO(), job_log=True)
    assert reader.list_files() == [Path(layout.job_log)] * there


def test_a_job_log_written_later_is_shown(layout: RunLayout) -> None:
    write(layout, "job.log", b"")
    output = io.StringIO()
    reader = LogReader(layout, output, job_log=True)
    reader.show_new(history=True)
    write(layout, "job.log", b"srun: x\n")
    reader.show_new()
    assert output.getvalue() == "srun: x\n"
