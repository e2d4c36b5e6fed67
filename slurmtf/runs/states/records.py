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
from slurmtf.job.contract.system.trust import user_name
from slurmtf.runs.states.state import RunState, check_type
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import submitted_jobs

T = TypeVar("T")


@dataclass(frozen=True)
class CancelRequest:
    """What slurmtf was asked: to cancel a ``job``, by its name, by which user, on which host, when (seconds since 1970)."""

    job: str
    user: str = ""
    uid: int | None = None
    host: str = ""
    time: float | None = None

    def to_text(self) -> str:
        """Return it as the file has it: the job's supervisor looks for a line that is its job's name."""
        return f"{self.job}\n{json.dumps({**asdict(self), 'job': None})}\n"

    @classmethod
    def from_text(cls, text: str) -> CancelRequest:
        """Return what :meth:`to_text` wrote. Raises ValueError or TypeError for anything else."""
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
    """The jobs of a run in the order of their submission, what slurmtf was asked to cancel of them last, and the end that was
    written down. ``unreadable`` names the files that could not be read."""

    jobs: tuple[SubmittedJob, ...] = ()
    cancel_request: CancelRequest | None = None
    ended: RunState | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def latest(self) -> SubmittedJob | None:
        """The job that was submitted last; of an array that was submitted in slices, the first of them."""
        return next((job for job in reversed(self.jobs) if not job.first), None) or next(iter(self.jobs), None)


def read_records(layout: RunLayout) -> Records:
    """Return the records of a run. Files that can't be read, or are invalid, are named and left out."""
    unreadable: list[str] = []
    jobs = _try(lambda: submitted_jobs(layout), list[SubmittedJob](), JOBS, unreadable)
    mark = Path(layout.cancel_mark)
    request = _try(lambda: CancelRequest.from_text(mark.read_text(encoding="utf-8")), None, mark.name, unreadable)
    ended = _try(lambda: RunState.from_dict(json.loads(_text(layout.ended))), None, Path(layout.ended).name, unreadable)
    return Records(tuple(jobs), request, ended, tuple(unreadable))


def _try(read: Callable[[], T], default: T, name: str, unreadable: list[str]) -> T:
    try:
        return read()
    except FileNotFoundError:
        return default
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        unreadable.append(name)
        return default


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def note_end(layout: RunLayout, state: RunState) -> None:
    """Record an end that only Slurm knows, and will forget; nothing if that is impossible: another user's run, a full disk."""
    with contextlib.suppress(OSError):
        write_json(layout.ended, state.to_dict())


def note_cancel_request(layout: RunLayout, job: JobRef) -> str:
    """Note that slurmtf was asked to cancel this job of the run, and by whom; return what was noted before. Raises OSError."""
    before, uid = _try(lambda: _text(layout.cancel_mark), "", "", []), os.getuid()
    request = CancelRequest(job.name, user_name(uid), uid, socket.gethostname(), time.time())
    write_private(layout.cancel_mark, request.to_text())
    return before


def forget_cancel_request(layout: RunLayout, before: str) -> None:
    """Take the note back: the job could not be canceled. What was noted ``before`` is noted again: an order that was taken
    earlier is still carried out. Raises OSError."""
    if before:
        write_private(layout.cancel_mark, before)
    else:
        Path(layout.cancel_mark).unlink(missing_ok=True)
