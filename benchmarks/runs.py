"""Thousands of run folders for ``benchmarks.scale`` to list, as jobs of one task leave them."""

from __future__ import annotations

import json
import time
from pathlib import Path

from slurmtf.job.contract.attempt.events import Ended, Launched, Prepared, Record, Started, TaskEnded, TaskStarted
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.scheduler import JobRef, SubmittedJob

PLAN = {"warnings": [], "site": "lab", "provenance": {"estimator": {}}}
OLD_S = 30 * 86400
FIRST_JOB = 1000


def write_runs(workspace: Path, count: int) -> list[Path]:
    """Write the folders of runs that have ended, every tenth as Failed, and return them."""
    began = time.time() - OLD_S
    return [_write(workspace / "digits", number, began + number * 60) for number in range(count)]


def _write(series: Path, number: int, when: float) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(when))
    layout = RunLayout(str(series / f"digits-{stamp}-{number:06x}"))
    Path(layout.journals).mkdir(parents=True)
    Path(layout.plan).write_text(json.dumps(PLAN), encoding="utf-8")
    Path(layout.receipt).write_text(json.dumps({"tags": {"stage": "pilot" if number % 7 else "final"}}), encoding="utf-8")
    job = SubmittedJob(JobRef(None, str(FIRST_JOB + number)), "slurm", layout.folder, when, "submitted")
    Path(layout.jobs).write_text(json.dumps(job.to_dict()) + "\n", encoding="utf-8")
    code = 0 if number % 10 else 1
    write_journal(layout, job.ref.name, code, when)
    return Path(layout.folder)


def write_journal(layout: RunLayout, job: str, code: int, began: float) -> None:
    """Write the journal of a job of one task; ``began`` is in seconds since 1970, ``code`` the script's exit code."""
    lines = (Record.from_event(event, began + second).to_dict() for second, event in enumerate(_build_events(job, code)))
    Path(layout.journal(job, 0)).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _build_events(job: str, code: int) -> list[object]:
    return [
        Started(job_id=job, host="node1", nodes="node1", process={"host": "node1", "pid": 5, "started": 6}),
        Prepared(),
        Launched(),
        TaskStarted(0, "main-0", "node1"),
        TaskEnded(0, "main-0", code),
        Ended(Outcome(Cause.SCRIPT, "main-0", "node1", exit_code=code).to_dict(), 4.0),
    ]
