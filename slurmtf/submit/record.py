"""What the login node knows of a run's jobs: ``jobs.jsonl`` in the run folder, one line for each that was submitted."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from slurmtf.files import PRIVATE_FILE, read_json
from slurmtf.job.contract import journal
from slurmtf.job.contract.events import Started
from slurmtf.job.contract.layout import RunLayout
from slurmtf.processes import recognise
from slurmtf.scheduler import JobRef, SubmittedJob, scheduler_of

SUBMITTED, ADOPTED, BY_HAND = "submitted", "adopted", "by-hand"
"""Why there is a job: the run was submitted; so it was, but its client died before it could say so; somebody ran sbatch."""


def note(layout: RunLayout, job: SubmittedJob) -> None:
    """Write down a job of a run. Raises OSError."""
    text = _text(layout)
    cut = text != "" and not text.endswith("\n")  # by a full disk
    with open(os.open(layout.jobs, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE), "ab") as file:
        file.write(b"\n" * cut + json.dumps(job.to_dict()).encode() + b"\n")


def submitted_jobs(layout: RunLayout) -> list[SubmittedJob]:
    """Return the jobs of a run in the order of their submission; a line that can't be read is left out."""
    return list(_jobs(_text(layout)))


def _text(layout: RunLayout) -> str:
    try:
        return Path(layout.jobs).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _jobs(text: str) -> Iterator[SubmittedJob]:
    for line in text.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            yield SubmittedJob.from_dict(json.loads(line))


def read_record(layout: RunLayout) -> SubmittedJob | None:
    """Return the job of a run that was submitted last; None while it has no known job."""
    return next(reversed(submitted_jobs(layout)), None)


def _started(scheduler: str, cluster: str | None, folder: str, event: Started) -> SubmittedJob:
    """Return the job of a start. When it was submitted is not known."""
    ref = JobRef(cluster, event.job_id, event.element)
    return SubmittedJob(ref, scheduler, folder, 0.0, BY_HAND, process=recognise(event.process))


def adopt(layout: RunLayout) -> SubmittedJob | None:
    """Return the job of a run; where the client was killed before it wrote it down, find it and write it down.

    A job is known by its journal, or in the queue by its working directory, the run folder. Raises SlurmError.
    """
    record = read_record(layout)
    if record is not None:
        return record
    plan = read_json(layout.plan)
    found = (_in_journal(layout, plan) or _in_queue(plan)) if plan else None  # or the run has just been removed
    if found is not None:
        note(layout, replace(found, why=ADOPTED))
    return found


def _in_journal(layout: RunLayout, plan: Mapping[str, Any]) -> SubmittedJob | None:
    attempts = journal.attempts(layout)
    return _started(plan["job"]["scheduler"], plan["cluster"], plan["run"]["folder"], attempts[0].started) if attempts else None


def _in_queue(plan: Mapping[str, Any]) -> SubmittedJob | None:
    return scheduler_of(plan["job"]["scheduler"], plan["cluster"]).find(plan["run"]["folder"])
