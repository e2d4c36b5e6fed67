"""Ending runs, many at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.errors import SlurmError, SlurmtfError
from slurmtf.files import write_private
from slurmtf.findings import Finding
from slurmtf.runs.status import CANCEL_MARK, RunState, states_of
from slurmtf.runs.workspace import check_ours
from slurmtf.scheduler import SubmittedJob, by_scheduler
from slurmtf.submit.record import adopt, current_record, read_record

if TYPE_CHECKING:
    from slurmtf.runs.run import Run

Job = tuple["Run", SubmittedJob]


def cancel_runs(runs: Sequence[Run]) -> list[RunState]:
    """End runs; those that have ended stay as they are. Returns the state in which each was found.

    Slurm is asked once and told once for each cluster. When some runs can't be ended, the others are, and then SlurmError is
    raised, or SlurmtfError when it is not Slurm's doing.
    """
    for run in runs:
        check_ours(run.folder)  # it may name a process of ours as its own
        if read_record(run.layout) is None:
            adopt(run.layout)
    states = states_of([run.folder for run in runs])
    alive = [run for run, state in zip(runs, states, strict=True) if not state.status.final]
    jobs = [(run, record) for run in alive if (record := current_record(run.layout)) is not None]
    _raise_all(error for order, ended in _orders(jobs) if (error := _give(order, ended)) is not None)
    return states


def _orders(jobs: Iterable[Job]) -> Iterator[tuple[Callable[[], None], list[Job]]]:
    """Yield what to do, and the jobs that it ends: one order for each scheduler and each cluster."""
    runs = {record: run for run, record in jobs}
    for scheduler, several in by_scheduler(runs):
        yield partial(scheduler.cancel, several), [(runs[record], record) for record in several]


def _give(order: Callable[[], None], jobs: Sequence[Job]) -> SlurmtfError | None:
    """Give an order, with a mark in each run by which it knows later that its end was asked for. Returns why it failed."""
    marks = {Path(run.folder, CANCEL_MARK): record.ref.job_id for run, record in jobs}
    for mark, job_id in marks.items():
        with contextlib.suppress(OSError):  # a full disk keeps no run alive
            write_private(mark, job_id)
    try:
        order()
    except SlurmtfError as err:
        for mark in marks:
            mark.unlink(missing_ok=True)
        return err
    return None


def _raise_all(errors: Iterable[SlurmtfError]) -> None:
    found = list(errors)
    findings: list[Finding] = [finding for error in found for finding in error.findings]
    if found:
        raise (SlurmError if any(isinstance(error, SlurmError) for error in found) else SlurmtfError)(*findings)
