"""Read evidence of an end in a run folder, in addition to records and journal, if a state depends on it."""

from __future__ import annotations

from pathlib import Path

from slurmtf.files import read_json
from slurmtf.job.contract.attempt import job_log
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.layout import JOB_LOG, RunLayout
from slurmtf.runs.states.history import Attempt, History
from slurmtf.runs.states.reduce import CLOCK_SLACK_S, NO_EVIDENCE, Evidence
from slurmtf.runs.states.state import RunState

NO_HISTORY = History()


def read_evidence(layout: RunLayout, state: RunState, history: History = NO_HISTORY) -> Evidence:
    """Return the evidence of the end in ``state``, for a run with the attempts in ``history``."""
    if state.cause is Cause.TIME_LIMIT:
        return Evidence(limited=bool(_get_provenance(_read_plan(layout), "estimator", "max_run_duration_seconds")))
    if state.cause is Cause.CANCELED:
        plan = _read_plan(layout)
        return Evidence(build=_find_build_failure(plan), after=_get_followed(plan))
    if state.cause is Cause.NODE_FAILURE:
        of_one = len(history.attempts) <= 1  # the log does not say which attempt it means
        return Evidence(failed_node=_read_failed_node(layout) if of_one else "")
    if state.cause in (Cause.NOT_STARTED, Cause.LOST):
        over_memory = job_log.has_run_out_of_memory(_read_log_part(layout, history.last))
        return Evidence(
            last_line=read_last_line(layout, state), job_log=job_log.read_tail(layout.job_log), over_memory=over_memory
        )
    return NO_EVIDENCE


def _read_failed_node(layout: RunLayout) -> str:
    return job_log.find_failed_node(_read_log_part(layout, None))


def _read_log_part(layout: RunLayout, attempt: Attempt | None) -> bytes:
    """Return the end of an attempt's part of the job's log, or of the whole log if ``attempt`` is None."""
    begin = attempt.begins.get(JOB_LOG, 0) if attempt else 0
    return job_log.read_since(layout.job_log, max(begin, job_log.get_size(layout.job_log) - job_log.TAIL_BYTES))


def _read_plan(layout: RunLayout) -> dict[str, object]:
    try:
        return read_json(layout.plan)
    except (OSError, ValueError, RecursionError):
        return {}


def _get_provenance(plan: object, *keys: str) -> object:
    """Return a value from the plan's provenance; None if it can't be read."""
    for key in ("provenance", *keys):
        plan = plan.get(key) if isinstance(plan, dict) else None
    return plan


def _get_followed(plan: dict[str, object]) -> tuple[str, ...]:
    found = _get_provenance(plan, "after")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _find_build_failure(plan: dict[str, object]) -> str | None:
    """Return why the environment that the run waited for could not be built; None if it waited for no build."""
    if not _get_provenance(plan, "build_task"):
        return None
    from slurmtf.environments.store import describe_build_failure  # noqa: PLC0415 - few runs wait for a build

    return describe_build_failure(plan)


def read_last_line(layout: RunLayout, state: RunState) -> str:
    """Return the last line of the batch script that this start reached, with its number; empty if it reached none.

    Before each command, the script writes job, start and line to a file in the run folder.
    """
    trace = Path(layout.trace)
    try:
        job, number, line = trace.read_text(encoding="utf-8").split()
        written = trace.stat().st_mtime
        text = Path(layout.script).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    except (OSError, ValueError, IndexError):
        return ""
    earlier = written < (state.started or 0) - CLOCK_SLACK_S or int(number) < state.attempt
    return "" if job != state.job_id or earlier else f"{line}: {text.strip()}"
