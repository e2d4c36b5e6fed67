"""A run whose folder is gone."""

from __future__ import annotations

from pathlib import Path

from slurmtf.errors import RunGoneError, RunNotFoundError, SlurmError, SlurmtfError
from slurmtf.findings import Finding
from slurmtf.scheduler import SubmittedJob, get_scheduler


def describe_missing_folder(folder: Path, job: SubmittedJob | None) -> SlurmtfError:
    """Return the error for a missing folder. ``job`` is the run's last known job: the error says whether it continues."""
    name = folder.name
    if job is None:
        what = "its folder is gone: somebody removed it, or it never had a job and was cleared away"
        return RunNotFoundError(Finding("no-run-folder", name, what, "'slurmtf ls' lists the runs"))
    scheduler = get_scheduler(job.scheduler, job.ref.cluster)
    what = f"{folder} was removed or renamed; job {job.ref} "
    remedy = f"put the folder back under its name, or cancel the job: {scheduler.cancel_command} {job.ref.name}"
    try:
        seen = scheduler.observe([job]).get(job)
    except SlurmError:
        return RunGoneError(Finding("run-folder-gone", name, f"{what}may continue without it", remedy))
    if seen and not seen.state.final:
        return RunGoneError(Finding("run-folder-gone", name, f"{what}continues without it", remedy))
    return RunGoneError(Finding("run-folder-gone", name, f"{what}has ended"))
