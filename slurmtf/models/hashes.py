"""Content hashes of models."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

BLOCK = 1024 * 1024


def compute_digest(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a file as ``sha256sum`` prints it; for several files, the SHA-256 of their names and hashes. Raises
    OSError."""
    if len(files) == 1:
        return compute_sha256(files[0])
    root = os.path.commonpath([path.parent for path in files])
    hashes = {os.path.relpath(path, root): compute_sha256(path) for path in files}
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def compute_sha256(path: Path) -> str:
    """Return the SHA-256 of a file. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()
