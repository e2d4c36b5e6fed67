"""Where what can be had again is kept: the user's cache, and the part of it that is on this machine's own disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slurmtf.files import make_private
from slurmtf.job.contract import mounts
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.trust import doubt


def user_cache() -> Path:
    """Return the user's cache folder of slurmtf (XDG base directory specification)."""
    return Path(os.environ.get(var.XDG_CACHE_HOME) or Path("~/.cache").expanduser(), "slurmtf")


def local_cache() -> Path | None:
    """Return a folder of ours alone on a disk of this machine, for locks and a database, which are not safe on a file system
    that is shared: the user's cache, else ``$XDG_RUNTIME_DIR``, else the machine's temporary folder. None: there is none.
    """
    known = mounts.mounts()
    for folder in _places():
        found = mounts.of(str(folder), known)
        if found is None or found.shared:
            continue
        with contextlib.suppress(OSError):
            make_private(folder)
            if not doubt(str(folder)):
                return folder
    return None


def _places() -> Iterator[Path]:
    yield user_cache()
    if os.environ.get(var.XDG_RUNTIME_DIR):
        yield Path(os.environ[var.XDG_RUNTIME_DIR], "slurmtf")
    yield Path(tempfile.gettempdir(), f"slurmtf-{os.getuid()}")
