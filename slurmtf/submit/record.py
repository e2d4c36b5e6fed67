"""The record of a run's jobs: ``jobs.jsonl`` in the run folder, one line for each submitted job."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from slurmtf.files import PRIVATE_FILE
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.sweep.records import MOST_TRIALS
from slurmtf.scheduler import SubmittedJob

SUBMITTED, ADOPTED, BY_HAND = "submitted", "adopted", "by-hand"
"""Why a job exists: the run was submitted; or its client died before it could record the job; or somebody ran sbatch."""


def note(layout: RunLayout, job: SubmittedJob) -> None:
    """Record a job of a run. Raises OSError."""
    text = _read_text(layout)
    cut = text != "" and not text.endswith("\n")  # by a full disk
    with open(os.open(layout.jobs, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE), "ab") as file:
        file.write(b"\n" * cut + json.dumps(job.to_dict()).encode() + b"\n")


def read_jobs(layout: RunLayout) -> list[SubmittedJob]:
    """Return the jobs of a run in the order of submission; lines that can't be read are skipped."""
    return _remove_duplicates(list(_parse_jobs(_read_text(layout))))


def _remove_duplicates(jobs: Sequence[SubmittedJob]) -> list[SubmittedJob]:
    """Return jobs without duplicates: several clients may find a job, or one may while another records it."""
    recorded = {job.ref for job in jobs if job.why != ADOPTED}
    adopted = {job.ref: job for job in jobs if job.why == ADOPTED and job.ref not in recorded}
    return [job for job in jobs if job.why != ADOPTED or adopted.pop(job.ref, None) is not None]


def _read_text(layout: RunLayout) -> str:
    try:
        return Path(layout.jobs).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _parse_jobs(text: str) -> Iterator[SubmittedJob]:
    for line in text.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, OverflowError):
            job = SubmittedJob.from_dict(json.loads(line))
            if 0 <= job.elements <= MOST_TRIALS:  # it is expanded
                yield job


def read_last_job(layout: RunLayout) -> SubmittedJob | None:
    """Return the job of a run that was submitted last; None while no job is known."""
    return next(reversed(read_jobs(layout)), None)
