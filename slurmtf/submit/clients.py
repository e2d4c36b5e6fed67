"""Find out whether another client is still submitting."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from slurmtf.files import compute_age
from slurmtf.processes import ProcessId

UNKNOWN_OWNER_S = 3600
"""Seconds after which a submission on another host, whose process can't be seen, counts as dead."""
SETTLE_S = 30
"""Seconds that an sbatch may take after its client has ended."""


def has_died(owner: ProcessId | None, note: Path) -> bool:
    """Return whether the client that left a note has ended."""
    alive = owner.is_alive() if owner else None
    return compute_age(note) > UNKNOWN_OWNER_S if alive is None else not alive


def is_being_submitted(script: str) -> bool:
    """Return whether an sbatch that outlived its client is still working on the script (proc(5), cmdline)."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(script) in path.read_bytes().split(b"\0"):
                return True
    return False
