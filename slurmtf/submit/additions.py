"""Submit additional jobs of a run.

Meanwhile, a note in its folder says so. If the client is killed before it could record the jobs, the note makes the next
command that looks at the run search for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from slurmtf.errors import InputError, UnreachableError
from slurmtf.files import compute_age, read_json, write_json
from slurmtf.job.contract.layout import RunLayout
from slurmtf.processes import identify, recognize
from slurmtf.scheduler import SubmittedJob
from slurmtf.submit.adoption import FoundJobs
from slurmtf.submit.clients import SETTLE_S, has_died, is_being_submitted


@contextmanager
def note_submission(layout: RunLayout) -> Iterator[None]:
    """Keep the note during the submission, and afterwards if its result is not known. Raises OSError."""
    note = Path(layout.submitting)
    write_json(note, {"owner": asdict(identify(os.getpid()))})
    try:
        yield
    except (InputError, UnreachableError):
        note.unlink(missing_ok=True)
        raise
    note.unlink(missing_ok=True)


def may_lack(layout: RunLayout, known: Sequence[SubmittedJob]) -> bool:
    """Return whether a run may have a job that is not among those known."""
    return not known or os.path.exists(layout.submitting)  # noqa: PTH110 - called for thousands of runs


def select_unknown(found: Sequence[SubmittedJob], known: Sequence[SubmittedJob]) -> list[SubmittedJob]:
    """Return the jobs that are not known yet, numbered as elements of their own array."""
    ids = {job.ref.job_id for job in known}
    new = [job for job in found if job.ref.job_id not in ids]
    return [replace(job, first=job.first - new[0].first) for job in new]


def settle(layout: RunLayout, found: FoundJobs) -> None:
    """Remove the note once the submission can't result in another job: its client has ended, and so has its sbatch. Raises
    OSError."""
    note = Path(layout.submitting)
    if found.error is None and note.exists() and _is_left(note) and not is_being_submitted(layout.script):
        note.unlink(missing_ok=True)


def _is_left(note: Path) -> bool:
    """Return whether the client has ended and the note is older than Slurm may need to list a job."""
    try:
        owner = recognize(read_json(note)["owner"])
    except (OSError, ValueError, LookupError, TypeError):
        owner = None
    return compute_age(note) > SETTLE_S and has_died(owner, note)
