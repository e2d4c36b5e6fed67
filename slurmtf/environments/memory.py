"""Remember interpreters' answers in this process until something that they depend on has changed.

An answer depends on the question, the environment, the interpreter's own file, ``pyvenv.cfg``, and every folder in which the
interpreter says that it looks for modules, including the source's. Installing or removing a package, or adding a file to the
source, changes the time of one of these folders. Unreliable answers are not remembered: those obtained through environment
modules or a container, those that involve import hooks other than Python's own, and those that depend on something that changed
in the last two seconds, within which a file system may give two changes the same time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterable
from pathlib import Path

from slurmtf.job.contract.interchange import JsonView

Stamp = tuple[int, ...] | None
YOUNG_NS = 2_000_000_000

_known: dict[Hashable, tuple[dict[str, Stamp], dict[str, object]]] = {}


def recall(key: Hashable) -> dict[str, object] | None:
    """Return the earlier answer to the same question; None if there is none, or something has changed."""
    stamps, facts = _known.get(key, ({}, None))
    return facts if all(_read_stamp(path) == stamp for path, stamp in stamps.items()) else None


def remember(key: Hashable, facts: JsonView, folders: Iterable[str], began_ns: int | None = None) -> None:
    """Keep an answer if it is reliable. ``began_ns`` is when the question was asked (time.time_ns)."""
    executable, searched = str(facts["executable"]), [*facts["path"], *folders]
    if facts["hooked"] or not executable or not all(map(os.path.isabs, searched)):
        return
    here = Path(executable)
    paths = [executable, os.path.realpath(executable), str(here.parent.parent / "pyvenv.cfg"), *searched]
    stamps = {path: _read_stamp(path) for path in dict.fromkeys(paths)}
    limit = (time.time_ns() if began_ns is None else began_ns) - YOUNG_NS
    if all(stamp is None or stamp[-1] < limit for stamp in stamps.values()):
        _known[key] = stamps, dict(facts)


def _read_stamp(path: str) -> Stamp:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
