"""A run's details under Azure ML's names."""

from __future__ import annotations

from datetime import datetime, timezone

from slurmtf.job.contract.interchange import JsonObject
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.states.state import RunState, RunStatus


def build_details(run: RunFolder, state: RunState) -> JsonObject:
    """Return what is known about a run in this state."""
    plan = run.plan
    details: JsonObject = {
        "runId": run.id,
        "target": plan["site"],
        "status": state.status.value,
        "jobId": state.job_id,
        "submittedTimeUtc": _format_utc(state.submitted),
        "startTimeUtc": _format_utc(state.started),
        "endTimeUtc": _format_utc(state.ended),
        "tags": run.tags,
        "warnings": plan["warnings"],
        "runDefinition": plan["provenance"]["estimator"],
        "logFiles": {name: str(run.folder / name) for name in run.get_file_names() if name.startswith("logs/")},
    }
    if state.status in (RunStatus.FAILED, RunStatus.CANCELED):
        facts = {"message": state.message, "exitCode": state.exit_code, "signal": state.signal}
        details["error"] = {"code": state.cause.value if state.cause else "", **facts}
    return details


def _format_utc(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).isoformat()
