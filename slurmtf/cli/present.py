"""Runs in words and as data."""

from __future__ import annotations

import time
from typing import Any

from slurmtf.cli.output import clock, colour, duration
from slurmtf.diagnosis.dying import advice
from slurmtf.diagnosis.waiting import hint
from slurmtf.runs import Run, RunState, RunStatus


def run_data(run: Run, state: RunState) -> dict[str, Any]:
    """Return a run as the data of the envelope. Times in seconds since 1970."""
    facts = {name: value for name, value in vars(state).items() if name != "status"}
    return {"id": run.id, "experiment": run.experiment, "folder": str(run.folder), "status": state.status.value, **facts}


def headline(state: RunState) -> str:
    """Return a run's state in a line: what it does, why it waits, when Slurm expects it to start."""
    parts = [colour(state.status.value)]
    if state.status in (RunStatus.QUEUED, RunStatus.STARTING) and state.reason:
        parts.append(f"({state.reason})")
    if state.expected_start and state.status is RunStatus.QUEUED:
        parts.append(f"Slurm expects it to start at {clock(state.expected_start)}")
    if state.status is RunStatus.RUNNING and state.nodes:
        parts.append(f"on {state.nodes}")
    return " ".join(parts)


def elapsed(state: RunState) -> float | None:
    """Return the seconds that the run has run, or waited while it has not started."""
    began = state.started or state.submitted
    return None if began is None else (state.ended or time.time()) - began


def _advice(run: Run, state: RunState) -> str:
    """Return what to do about a run that failed, or has no job."""
    if state.status is RunStatus.NOT_STARTED:
        return "if its submission was cut off before it had a job, the next one clears it away: submit it again"
    if state.status is not RunStatus.FAILED:
        return ""
    if state.cause == "software":  # there is no log: its job has never run
        return "then submit it again"
    of_job = "" if state.cause == "script" else " --job"
    told = "the last lines of" in state.message
    return advice(state.message) or ("" if told else f"the log may say more: slurmtf logs{of_job} {run.id}")


def details(run: Run, state: RunState) -> str:
    """Return all that a person wants to know of a run."""
    rows = {
        "run": run.id,
        "status": headline(state) + (f" after {duration(elapsed(state))}" if state.started else ""),
        "why": hint(state.reason) or state.message,
        "advice": _advice(run, state),
        "doubt": state.doubt,
        "job": f"{state.job_id}" + (f", restarted {state.attempt} times" if state.attempt else "") if state.job_id else "",
        "nodes": state.nodes,
        "tags": ", ".join(f"{name}={value}" if value else name for name, value in run.tags.items()),
        "submitted": clock(state.submitted),
        "started": clock(state.started),
        "ended": clock(state.ended),
        "folder": str(run.folder),
    }
    lines = [f"{name:<10} {value.replace(chr(10), chr(10) + ' ' * 11)}" for name, value in rows.items() if value]
    return "\n".join(lines)
