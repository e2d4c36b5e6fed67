"""Find what a run resumes from: the outputs of another run, or any folder."""

from __future__ import annotations

from pathlib import Path

from slurmtf.errors import RunNotFoundError, SpecError
from slurmtf.experiments.run import Run
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.paths import to_absolute
from slurmtf.runs.workspaces.workspace import is_run


def resolve_resume_folder(given: str, workspace: str | Path | None = None) -> str:
    """Return the folder that ``resume_from`` means: for a run, by name or by folder, its outputs.

    Raises SpecError if there is neither such a folder nor such a run.
    """
    path = Path(to_absolute(given))
    if path.is_dir():
        return RunLayout(str(path)).outputs if is_run(path) else str(path)
    if "/" in given:
        what, remedy = "there is no such folder", "name a folder, a run, or 'last'"
        raise SpecError(Finding("nothing-to-resume", "resume_from", f"{given}: {what}", remedy))
    try:
        return Run.find(given, workspace).layout.outputs
    except RunNotFoundError:
        remedy = "name a folder, a run, or 'last': 'slurmtf ls' lists the runs"
        raise SpecError(
            Finding("nothing-to-resume", "resume_from", f"{given!r} is neither a folder nor a run", remedy)
        ) from None
