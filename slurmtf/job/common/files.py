"""Files that grow line by line."""

import os
from typing import List

TAIL_BYTES = 1 << 16


def read_last_lines(path: str, begin: int = 0) -> List[str]:
    """Return the last lines of a file, of what stands from ``begin`` on; none where it can't be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(begin, os.path.getsize(path) - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
