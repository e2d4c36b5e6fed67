"""Write files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

BLOCK = 1024 * 1024


@contextmanager
def open_whole(path: str | Path, lasting: bool = True) -> Iterator[IO[bytes]]:
    """Open a private temporary file next to the target, for writing; it gets the target's name once complete. Raises OSError.

    ``lasting``: wait for the disk, so that the file survives a power cut.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        with open(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def compute_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file; empty if it does not exist."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
    except FileNotFoundError:
        return ""
    return found.hexdigest()


def write_whole(path: str | Path, data: bytes, lasting: bool = True) -> None:
    with open_whole(path, lasting) as file:
        file.write(data)


def write_json(path: str | Path, data: object, lasting: bool = True) -> None:
    write_whole(path, (json.dumps(data, indent=1) + "\n").encode(), lasting)
