"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_whole(path: str | Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, then rename it. Raises OSError."""
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: str | Path, data: Any) -> None:
    write_whole(path, (json.dumps(data, indent=1) + "\n").encode())
