"""Cancel runs, many at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurmtf.errors import SlurmError, SlurmtfError
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.records import forget_cancel_request, note_cancel_request
from slurmtf.runs.states.state import RunState
from slurmtf.runs.states.sweeps import stop_sweep
from slurmtf.runs.status import SeenRun, look
from slurmtf.runs.workspaces.workspace import check_ours
from slurmtf.scheduler import SubmittedJob, group_by_scheduler


@dataclass(frozen=True)
class _Order:
    """A job to cancel, and the run that it belongs to."""

    layout: RunLayout
    job: SubmittedJob


def cancel(layouts: Sequence[RunLayout]) -> list[RunState]:
    """Cancel runs, leaving alone those that have ended, and return the state in which each was found.

    Queries and orders each scheduler once for each of its clusters. If some runs can't be canceled, cancels the others and then
    raises SlurmError, or SlurmtfError if Slurm is not the reason, naming the runs that were not canceled.
    """
    for layout in layouts:
        check_ours(Path(layout.folder))  # another user's run folder may claim a process of ours as its own
    seen = look(layouts)
    orders = [_Order(one.layout, job) for one in seen for job in one.jobs if not one.state.status.final]
    for one in seen:
        if one.array and not one.state.status.final:
            stop_sweep(one.layout)
    _raise_all([*_pass_on(orders), *filter(None, map(_describe_unknown_job, seen))])
    return [one.state for one in seen]


def _describe_unknown_job(seen: SeenRun) -> SlurmError | None:
    """Return the error for a run whose job could not be looked up: it may or may not exist."""
    doubt = None if seen.jobs else seen.state.doubt
    remedy = "try again when Slurm answers"
    return SlurmError(Finding("job-unknown", Path(seen.layout.folder).name, doubt.detail, remedy)) if doubt else None


def _pass_on(orders: Sequence[_Order]) -> Iterable[SlurmtfError]:
    """Pass the orders to their schedulers and yield what went wrong."""
    by_job = {order.job: order for order in orders}
    for scheduler, jobs in group_by_scheduler(by_job):
        layouts = [by_job[job].layout for job in jobs]
        before: dict[str, str] = {}
        for layout, job in zip(layouts, jobs, strict=True):
            with contextlib.suppress(OSError):  # a full disk keeps no run alive
                before.setdefault(layout.folder, note_cancel_request(layout, job.ref))
        try:
            scheduler.cancel(jobs)
        except SlurmtfError as err:
            for layout in layouts:
                with contextlib.suppress(OSError):
                    forget_cancel_request(layout, before.get(layout.folder, ""))
            yield type(err)(*err.findings, _describe_uncanceled(layouts))


def _describe_uncanceled(layouts: Iterable[RunLayout]) -> Finding:
    names = dict.fromkeys(Path(layout.folder).name for layout in layouts)
    return Finding("not-canceled", ", ".join(names), "not canceled", "cancel again, or see 'slurmtf status'")


def _raise_all(errors: Iterable[SlurmtfError]) -> None:
    found = list(errors)
    findings: list[Finding] = [finding for error in found for finding in error.findings]
    if found:
        raise (SlurmError if any(isinstance(error, SlurmError) for error in found) else SlurmtfError)(*findings)
