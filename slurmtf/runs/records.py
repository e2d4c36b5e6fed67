"""What the login node wrote into a run folder: which jobs were submitted, what was asked of them, and how the run ended."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from slurmtf.files import write_json, write_private
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.state import RunState
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import submitted_jobs

T = TypeVar("T")
ENDED = "ended.json"
"""How a run ended, where only Slurm knew: it forgets after a while, the run folder does not."""


@dataclass(frozen=True)
class Records:
    """The jobs of a run in the order of their submission, the name of the one that slurmtf was asked to cancel, and the end
    that was written down. ``unreadable`` names the files that could not be read."""

    jobs: tuple[SubmittedJob, ...] = ()
    cancel_requested: str = ""
    ended: RunState | None = None
    unreadable: tuple[str, ...] = ()


def read_records(layout: RunLayout) -> Records:
    """Return what is written down of a run. What can't be read, or makes no sense, is named and left out."""
    unreadable: list[str] = []
    jobs = _tried(lambda: submitted_jobs(layout), list[SubmittedJob](), "jobs.jsonl", unreadable)
    mark = _tried(lambda: Path(layout.cancel_mark).read_text(encoding="utf-8"), "", Path(layout.cancel_mark).name, unreadable)
    ended = _tried(lambda: RunState.from_dict(json.loads(_text(layout, ENDED))), None, ENDED, unreadable)
    return Records(tuple(jobs), mark, ended, tuple(unreadable))


def _tried(read: Callable[[], T], default: T, name: str, unreadable: list[str]) -> T:
    try:
        return read()
    except FileNotFoundError:
        return default
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        unreadable.append(name)
        return default


def _text(layout: RunLayout, name: str) -> str:
    with open(f"{layout.folder}/{name}", encoding="utf-8") as file:
        return file.read()


def note_end(layout: RunLayout, state: RunState) -> None:
    """Write down an end; nothing where that can't be: it is somebody else's run, or the disk is full."""
    with contextlib.suppress(OSError):
        write_json(Path(layout.folder, ENDED), state.to_dict())


def note_cancel_request(layout: RunLayout, job: JobRef) -> None:
    """Note that slurmtf was asked to cancel this job of the run. Raises OSError."""
    write_private(layout.cancel_mark, job.name)


def forget_cancel_request(layout: RunLayout) -> None:
    """Take the note back: the job could not be canceled. Raises OSError."""
    Path(layout.cancel_mark).unlink(missing_ok=True)
