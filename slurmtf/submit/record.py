"""What the login node knows of a run's job: ``submission.json`` in the run folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from slurmtf.agent.layout import RunLayout
from slurmtf.files import read_json, write_json
from slurmtf.processes import ProcessId, recognise


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


def layout_of(submitit_folder: Path) -> RunLayout:
    """Return the run folder in which submitit's folder lies."""
    return RunLayout(str(submitit_folder.parent))
