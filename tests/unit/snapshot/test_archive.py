"""The end of an archive, by which a stored one is recognized."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from slurmtf.job.contract.snapshot import BLOCK
from slurmtf.snapshot.archive import Archive, has_archive
from slurmtf.snapshot.entries import Entry

ID = "5f0c" * 8


def write_archive(content: bytes = b"print(1)\n", snapshot: str = ID) -> bytes:
    file = io.BytesIO()
    archive = Archive(file)
    archive.add(Entry("train.py", "", "file", 0o600), len(content))
    mark = archive.mark
    archive.write(content[: len(content) // 2])
    archive.rewind(mark)
    archive.write(content)
    archive.finish(snapshot)
    return file.getvalue()


def flip(position: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        (lambda data: data, True),
        (flip(0), False),
        (flip(BLOCK), False),
        (flip(2 * BLOCK - 1), False),  # between a file's end and the next header
        (flip(-2), False),
        (lambda data: data[:-1], False),
        (lambda data: data[:-BLOCK], False),
        (lambda data: data[BLOCK:], False),
        (lambda data: data + b"\0", False),
        (lambda data: data + data, False),
        (lambda data: bytes(len(data)), False),
        (lambda _: b"", False),
        (lambda _: write_archive(snapshot="a0" * 16), False),
    ],
)
def test_an_archive_is_recognized_as_it_was_written(change: Callable[[bytes], bytes], is_kept: bool) -> None:
    data = change(write_archive())
    assert has_archive(io.BytesIO(data), len(data), ID) is is_kept
