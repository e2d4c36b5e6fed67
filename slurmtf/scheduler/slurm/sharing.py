"""Share Slurm's answers among all terminals and notebooks of a user on this machine.

A process that finds the last answer too old queries Slurm under a lock; meanwhile, others wait for that answer, even if it is
an error. If there is no place for a lock, each process queries.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmtf.caches import find_local_cache
from slurmtf.errors import SlurmError, UnreachableError
from slurmtf.files import PRIVATE_FILE, make_private, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var

FOLDER = "slurm"
LONGEST_ERROR_S = 30
"""The most seconds for which an error is reused."""
KEPT_S = 86400


@dataclass(frozen=True)
class _SharedAnswer:
    """A command's output, or why it failed. ``time`` is when it was called, in seconds since 1970."""

    time: float
    text: str = ""
    error: SlurmError | None = None

    def to_bytes(self) -> bytes:
        findings = [finding.to_dict() for finding in self.error.findings] if self.error else None
        head = {"time": self.time, "error": findings, "unreachable": isinstance(self.error, UnreachableError)}
        return json.dumps(head).encode() + b"\n" + self.text.encode("utf-8", "surrogateescape")

    @classmethod
    def from_bytes(cls, data: bytes) -> _SharedAnswer:
        """Return what :meth:`to_bytes` wrote. Raises ValueError, LookupError or TypeError."""
        head, _, text = data.partition(b"\n")
        facts = json.loads(head)
        kind = UnreachableError if facts["unreachable"] else SlurmError
        error = None if facts["error"] is None else kind(*map(Finding.from_dict, facts["error"]))
        return cls(float(facts["time"]), text.decode("utf-8", "surrogateescape"), error)

    def is_fresh(self, since: float, now: float) -> bool:
        """Return whether the answer is recent enough for a process that accepts answers since ``since``."""
        least = max(since, now - LONGEST_ERROR_S) if self.error else since
        return least <= self.time <= now


def share(argv: list[str], ask: Callable[[list[str]], str], max_age_s: float) -> str:
    """Return ``ask``'s answer to a command, or the one that another process of the user got at most ``max_age_s`` ago.

    Raises SlurmError as ``ask`` does.
    """
    began = time.time()
    path = _get_path(argv)
    if path is None:
        return ask(argv)
    answer = _read(path, began - max_age_s)
    if answer is None:
        with _hold_lock(path):
            answer = _read(path, began - max_age_s) or _ask(argv, ask, path)
    if answer.error:
        raise answer.error
    return answer.text


def _get_path(argv: list[str]) -> Path | None:
    """Return where the answer of a command is stored; each cluster has its own."""
    command = shutil.which(argv[0])
    folder = find_local_cache() if command else None
    if folder is None:
        return None
    import hashlib  # noqa: PLC0415 - OpenSSL takes longer to load than most commands need

    name = hashlib.sha256(json.dumps([argv, command, os.environ.get(var.SLURM_CONF)]).encode("utf-8", "surrogateescape"))
    return folder / FOLDER / name.hexdigest()[:24]


def _read(path: Path, since: float) -> _SharedAnswer | None:
    try:
        answer = _SharedAnswer.from_bytes(path.read_bytes())
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return answer if answer.is_fresh(since, time.time()) else None


def _ask(argv: list[str], ask: Callable[[list[str]], str], path: Path) -> _SharedAnswer:
    now = time.time()
    try:
        answer = _SharedAnswer(now, ask(argv))
    except SlurmError as err:
        answer = _SharedAnswer(now, error=err)
    with contextlib.suppress(OSError):
        write_private(path, answer.to_bytes())
        _remove_old(path.parent, now)
    return answer


def _remove_old(folder: Path, now: float) -> None:
    """Remove answers that have not been used for a day: sacct's, for example, are stored by their list of jobs."""
    for entry in os.scandir(folder):
        if entry.stat().st_mtime < now - KEPT_S:
            os.unlink(entry.path)  # noqa: PTH108


@contextlib.contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    """Let one process at a time continue; the lock ends with its process. Without a lock file, all continue."""
    try:
        make_private(path.parent)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    except OSError:
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
