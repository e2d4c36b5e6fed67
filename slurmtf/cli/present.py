"""Runs as text and as data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.cli.output import format_duration, format_time, paint_status
from slurmtf.findings import Finding
from slurmtf.job.contract.attempt.outcome import Cause, parse_cause
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.life import AT_MOST_MEMORY, END, NO_MEMORY, NOT_POSSIBLE, SAME, USED
from slurmtf.runs.states.state import Brief, DoubtKind, RunState, RunStatus
from slurmtf.spelling import spell

if TYPE_CHECKING:
    from slurmtf.runs.folder import RunFolder
    from slurmtf.runs.metrics.reading import Series
    from slurmtf.runs.workspaces.listing import ListedRun

MOST_REPEATED_WARNINGS = 3
"""The most warnings of the submission that are shown again if the script has failed."""


def build_run_data(folder: Path | str, state: RunState | ListedRun) -> dict[str, object]:
    """Return a run as the data of the envelope. Times in seconds since 1970."""
    experiment, name = str(folder).split("/")[-2:]
    return {"id": name, "experiment": experiment, "folder": str(folder), **state.data}


def read_origin(run: RunFolder) -> JsonObject:
    """Return the files other than the estimator that decided about the job: the site's profile, and the script's templates."""
    try:
        provenance = run.plan["provenance"]
        return {"profile": str(provenance["profile"]), "templates": list(map(str, provenance["templates"]))}
    except (OSError, ValueError, LookupError, TypeError):  # a run's state is told whatever its plan looks like
        return {"profile": "", "templates": []}


def can_be_canceled(state: RunState) -> bool:
    return state.job_id is not None and not state.status.final


def describe_cancel_result(state: RunState) -> str:
    """Return the result of canceling a run that was found in this state."""
    if can_be_canceled(state):
        return "cancel requested"
    return f"was {state.status.value}" if state.status.final else "has no job to cancel"


def format_headline(state: RunState) -> str:
    """Return a run's state in one line: what it does, why it waits, when Slurm expects it to start."""
    parts = [paint_status(state.status.value)]
    if state.status is RunStatus.QUEUED and state.reason:
        parts.append(f"({state.reason})")
    if state.staging and state.status is RunStatus.STARTING:
        parts.append(f"(staging: {state.staging.ready} of {state.staging.nodes} nodes ready)")
    if state.expected_start and state.status is RunStatus.QUEUED:
        parts.append(f"Slurm expects it to start at {format_time(state.expected_start)}")
    if state.status is RunStatus.RUNNING and state.nodes:
        parts.append(f"on {state.nodes}")
    return " ".join(parts)


_DOUBTS = {
    DoubtKind.UNREACHABLE: "Slurm could not be queried: {}",
    DoubtKind.UNKNOWN_STATE: "Slurm reports a job state that slurmtf does not know",
    DoubtKind.ELSEWHERE: "it runs on {}, and its process can only be seen from there",
    DoubtKind.NOT_LISTED: "Slurm does not list the job yet",
}


def describe_doubt(state: RunState) -> str:
    """Return why a state may be out of date."""
    unreadable = f"can't be read: {', '.join(state.unreadable)}" if state.unreadable else ""
    doubt = _DOUBTS[state.doubt.kind].format(state.doubt.detail) if state.doubt else ""
    return "; ".join(filter(None, (doubt, unreadable)))


_ENDED_BY = {
    Cause.TIME_LIMIT: "reached its time limit",
    Cause.PREEMPTED: "was preempted",
    Cause.NODE_FAILURE: "lost a node",
    Cause.TASK_LOST: "lost a task",
    Cause.OUT_OF_MEMORY: "ran out of memory",
    Cause.STALL: "stalled",
    Cause.REQUEUED: "was requeued",
}
_NO_OTHER = {
    USED: "its restart budget is used up",
    SAME: "the same failure at the same place twice",
    AT_MOST_MEMORY: "it already had the most memory that its restarts allow",
    NO_MEMORY: "how much memory it had is not known, so it can't get more",
    NOT_POSSIBLE: "it could not be started again from within its job",
}


def describe_attempt(state: RunState) -> str:
    """Return which attempt of how many this is and how the last one ended, or why there won't be another."""
    again = state.again
    if again is None:
        return ""
    last = _ENDED_BY.get(parse_cause(again.cause), "failed") + (
        f" after {format_duration(again.seconds)}" if again.seconds else ""
    )
    if again.how == END:
        return f"no other attempt after this one, which {last}: {_NO_OTHER.get(again.why, again.why)}"
    bound = "" if again.at_most is None else f" of at most {again.at_most}"
    waits = ", waits" if state.status in (RunStatus.QUEUED, RunStatus.PROVISIONING) else ""
    more = [f"without {', '.join(again.exclude)}"] if again.exclude else []
    more += [f"with {again.memory_mb} MiB on each node"] if again.memory_mb else []
    return "; ".join([f"{again.number}{bound}{waits}", *more, f"the last one {last}"])


def compute_elapsed(state: RunState | Brief) -> float | None:
    """Return the seconds for which the run has run, or waited if it has not started."""
    began = state.started or state.submitted
    return None if began is None else (state.ended or time.time()) - began


def _choose_advice(run: RunFolder, state: RunState) -> str:
    """Return the advice for a run that failed or has no job."""
    if state.status is RunStatus.NOT_STARTED:
        return "if its submission was interrupted before it had a job, the next submission cleans it up: submit it again"
    if state.status is not RunStatus.FAILED or state.outcome is None:
        return ""
    if state.cause is Cause.SOFTWARE:  # there is no log: its job has never run
        return "then submit it again"
    from slurmtf.cli.flags import FLAGS  # noqa: PLC0415 - here and below: what a failure alone needs
    from slurmtf.diagnosis.dying import find_remedy  # noqa: PLC0415

    return spell(find_remedy(state.outcome), FLAGS) or ("" if state.outcome.tail else _suggest_log(run, state))


def _suggest_log(run: RunFolder, state: RunState) -> str:
    """Return how to see the log that may say more: the job's, if something other than the script ended it; empty if none."""
    from slurmtf.runs.logs import has_job_log  # noqa: PLC0415

    of_job = state.cause is not Cause.SCRIPT and has_job_log(run.layout)
    return f"the log may say more: slurmtf logs{' --job' * of_job} {run.word}" if of_job or run.tasks else ""


def _format_warnings(run: RunFolder, state: RunState) -> str:
    """Return the submission's warnings, if the script failed: they may have predicted it."""
    if state.status is not RunStatus.FAILED or state.cause is not Cause.SCRIPT:
        return ""
    try:
        warnings = [Finding.from_dict(facts) for facts in run.plan["warnings"]]
    except (OSError, ValueError, LookupError, TypeError):  # a run's state is told whatever its plan looks like
        return ""
    return "\n".join(str(warning) for warning in warnings[:MOST_REPEATED_WARNINGS])


def format_primary_metric(run: RunFolder) -> str:
    """Return the last value of the run's primary metric; empty if none is named, or logged."""
    name = run.primary_metric
    if not name:
        return ""
    from slurmtf.runs.metrics.curves import read_series  # noqa: PLC0415 - here and below: a list reads no metrics

    found = read_series(run.layout, name)
    return format_last_value(name, found.series if found else None)


def format_last_value(name: str, series: Series | None) -> str:
    """Return the last value of a metric; empty if it has none."""
    from slurmtf.runs.metrics.curves import RunSeries, format_value  # noqa: PLC0415

    found = RunSeries("", series) if series and series.points else None
    return f"{name} {format_value(found.last)} at {format_value(found.last_step)}" if found else ""


def _describe_wait(state: RunState) -> str:
    """Return what a job waits for, and what to do, from Slurm's reason."""
    if not state.reason:
        return ""
    from slurmtf.diagnosis.waiting import format_hint  # noqa: PLC0415

    return format_hint(state.reason, state.job_id or "")


def format_details(run: RunFolder, state: RunState) -> str:
    """Return everything that a person may want to know about a run."""
    decided = read_origin(run)
    rows = {
        "run": run.id,
        "status": format_headline(state) + (f" after {format_duration(compute_elapsed(state))}" if state.started else ""),
        "why": _describe_wait(state) or state.message,
        "advice": _choose_advice(run, state),
        "warned": _format_warnings(run, state),
        "attempt": describe_attempt(state),
        "doubt": describe_doubt(state),
        "metric": format_primary_metric(run),
        "job": _format_job(state),
        "nodes": state.nodes,
        "tags": ", ".join(f"{name}={value}" if value else name for name, value in run.tags.items()),
        "submitted": format_time(state.submitted),
        "started": format_time(state.started),
        "ended": format_time(state.ended),
        "profile": decided["profile"],
        "templates": ", ".join(decided["templates"]),
        "folder": str(run.folder),
    }
    return format_rows(rows)


def _format_job(state: RunState) -> str:
    """Return its job, and how often Slurm has restarted it."""
    times = "once" if state.attempt == 1 else f"{state.attempt} times"
    return f"{state.job_id or ''}" + f", restarted {times}" * bool(state.job_id and state.attempt)


def format_rows(rows: Mapping[str, str]) -> str:
    """Return names and values in two aligned columns, without empty values."""
    lines = [f"{name:<10} {value.replace(chr(10), chr(10) + ' ' * 11)}" for name, value in rows.items() if value]
    return "\n".join(lines)
