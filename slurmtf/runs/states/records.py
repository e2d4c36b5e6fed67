"""Read and write the login node's records in a run folder: submitted jobs, cancel requests, and how the run ended."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from slurmtf.files import write_json, write_private
from slurmtf.job.contract.layout import JOBS, RunLayout
from slurmtf.job.contract.system.trust import get_user_name
from slurmtf.runs.states.state import RunState, check_type
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import read_jobs

T = TypeVar("T")


@dataclass(frozen=True)
class CancelRequest:
    """A request to slurmtf to cancel the job called ``job``: by which user, on which host, when (in seconds since 1970)."""

    job: str
    user: str = ""
    uid: int | None = None
    host: str = ""
    time: float | None = None

    def to_text(self) -> str:
        """Return the content of its file: the supervisor looks for a line that is its job's name."""
        return f"{self.job}\n{json.dumps({**asdict(self), 'job': None})}\n"

    @classmethod
    def from_text(cls, text: str) -> CancelRequest:
        """Read the text of :meth:`to_text`. Raises ValueError or TypeError for anything else."""
        job, _, rest = text.partition("\n")
        facts = {**json.loads(rest), "job": job}
        return cls(**{name: check_type(facts[name], kinds) for name, kinds in _KINDS.items() if name in facts})


_KINDS: dict[str, tuple[type, ...]] = {
    "job": (str,),
    "user": (str,),
    "uid": (int, type(None)),
    "host": (str,),
    "time": (int, float, type(None)),
}


@dataclass(frozen=True)
class Records:
    """The jobs of a run in the order of their submission, its last cancel request, and its recorded end. ``unreadable`` names
    the files that could not be read."""

    jobs: tuple[SubmittedJob, ...] = ()
    cancel_request: CancelRequest | None = None
    ended: RunState | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def latest(self) -> SubmittedJob | None:
        """The job that was submitted last; for an array submitted in slices, its first slice."""
        return next((job for job in reversed(self.jobs) if not job.first), None) or next(iter(self.jobs), None)


def read_records(layout: RunLayout) -> Records:
    """Return the records of a run. Unreadable or invalid files are skipped, and named in ``unreadable``."""
    unreadable: list[str] = []
    jobs = _try(lambda: read_jobs(layout), list[SubmittedJob](), JOBS, unreadable)
    mark = Path(layout.cancel_mark)
    request = _try(lambda: CancelRequest.from_text(mark.read_text(encoding="utf-8")), None, mark.name, unreadable)
    ended = _try(lambda: RunState.from_dict(json.loads(_read_text(layout.ended))), None, Path(layout.ended).name, unreadable)
    return Records(tuple(jobs), request, ended, tuple(unreadable))


def _try(read: Callable[[], T], default: T, name: str, unreadable: list[str]) -> T:
    try:
        return read()
    except FileNotFoundError:
        return default
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        unreadable.append(name)
        return default


def _read_text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def note_end(layout: RunLayout, state: RunState) -> None:
    """Record an end that only Slurm knows, and will forget, if possible: not in another user's run or on a full disk."""
    with contextlib.suppress(OSError):
        write_json(layout.ended, state.to_dict())


def note_cancel_request(layout: RunLayout, job: JobRef) -> str:
    """Note that slurmtf was asked to cancel this job, and by whom, and return the previous note.

    Raises OSError if the note can't be written.
    """
    before, uid = _try(lambda: _read_text(layout.cancel_mark), "", "", []), os.getuid()
    request = CancelRequest(job.name, get_user_name(uid), uid, socket.gethostname(), time.time())
    write_private(layout.cancel_mark, request.to_text())
    return before


def forget_cancel_request(layout: RunLayout, before: str) -> None:
    """Restore the note from ``before`` a request that failed: an earlier request is still being carried out.

    Raises OSError if the note can't be written or removed.
    """
    if before:
        write_private(layout.cancel_mark, before)
    else:
        Path(layout.cancel_mark).unlink(missing_ok=True)
