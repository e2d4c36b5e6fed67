"""What the login node knows of a run's job: ``submission.json`` in the run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slurmtf.files import read_json, write_json
from slurmtf.job.contract.journal import read as read_journal
from slurmtf.job.contract.layout import RunLayout
from slurmtf.processes import ProcessId, recognise
from slurmtf.scheduler.slurm import SlurmClient


@dataclass(frozen=True)
class JobRecord:
    """The job of a run. ``process`` is its supervisor, on a site without a scheduler."""

    job_id: str
    scheduler: str
    cluster: str | None
    submitted: float
    process: ProcessId | None = None

    def write(self, layout: RunLayout) -> None:
        write_json(layout.submission, asdict(self))


def read_record(layout: RunLayout) -> JobRecord | None:
    """Return the record of a run; None while it has no known job."""
    facts = read_json(layout.submission)
    if not facts:
        return None
    process = recognise(facts["process"])
    return JobRecord(facts["job_id"], facts["scheduler"], facts["cluster"], facts["submitted"], process)


def current_record(layout: RunLayout) -> JobRecord | None:
    """Return the record of the run's last job; None while it has no known job."""
    starts = [event for event in read_journal(layout.journal) if event["event"] == "started"]
    return latest(read_record(layout), starts[-1] if starts else None)


def latest(record: JobRecord | None, started: Mapping[str, Any] | None) -> JobRecord | None:
    """Return the record of the job that wrote ``started`` into the journal: the script may have been submitted by hand."""
    if record is None or started is None or started["job_id"] == record.job_id:
        return record
    process = recognise(started["process"]) if record.scheduler == "local" else None
    return JobRecord(started["job_id"], record.scheduler, record.cluster, started["time"], process)


def layout_of(submitit_folder: Path) -> RunLayout:
    """Return the run folder in which submitit's folder lies."""
    return RunLayout(str(submitit_folder.parent))


def adopt(layout: RunLayout) -> JobRecord | None:
    """Return the record of a run's job; where the client was killed before it wrote one, find the job and write it.

    A job is known by its journal, or in the queue by its working directory, the run folder. Raises SlurmError.
    """
    record = read_record(layout)
    if record is not None:
        return record
    plan = read_json(layout.plan)
    record = _record_in_journal(layout, plan) or _record_in_queue(plan)
    if record is not None:
        record.write(layout)
    return record


def _record_in_journal(layout: RunLayout, plan: dict[str, Any]) -> JobRecord | None:
    started = next((event for event in read_journal(layout.journal) if event["event"] == "started"), None)
    if started is None:
        return None
    process = recognise(started["process"]) if plan["scheduler"] == "local" else None
    return JobRecord(started["job_id"], plan["scheduler"], plan["cluster"], started["time"], process)


def _record_in_queue(plan: dict[str, Any]) -> JobRecord | None:
    if plan.get("scheduler") != "slurm":  # or the run has just been removed
        return None
    jobs = SlurmClient(plan["cluster"]).mine()
    job_id = next((job.job_id for job in jobs if job.folder == plan["run"]["folder"]), None)
    return JobRecord(job_id, "slurm", plan["cluster"], time.time()) if job_id else None
