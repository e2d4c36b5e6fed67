"""Submit a plan, and clean up after submissions that were killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from slurmtf.errors import RefusedError, SlurmError, UnreachableError, WorkspaceError
from slurmtf.files import compute_age, convert_write_errors, restrict_access
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan import LaunchPlan
from slurmtf.scheduler import Array, Scheduler, get_scheduler
from slurmtf.snapshot import Snapshot, SnapshotStore
from slurmtf.submit.adoption import adopt
from slurmtf.submit.clients import SETTLE_S, UNKNOWN_OWNER_S, has_died, is_being_submitted
from slurmtf.submit.folder import INTENTS, REMOVED, STAGING, Fill, Intent, build, remove
from slurmtf.submit.record import SUBMITTED, note, read_last_job
from slurmtf.trusted import locate_own_folder


@dataclass(frozen=True)
class Submission:
    """Everything that one submission needs."""

    plan: LaunchPlan
    script: str
    source: Snapshot
    receipt: dict[str, object]
    array: Array | None = None
    more: tuple[Fill, ...] = ()
    """Functions that write more into the run folder before it gets its name."""

    def with_more(self, fill: Fill) -> Submission:
        return replace(self, more=(*self.more, fill))


def require_scheduler(plan: LaunchPlan) -> Scheduler:
    """Return the scheduler for a plan's job. Raises UnreachableError if no job can be submitted to it from here."""
    scheduler = get_scheduler(plan.job.scheduler, plan.cluster)
    scheduler.check()
    return scheduler


def submit(submission: Submission) -> RunLayout:
    """Build the run folder and submit the job. Returns the run folder, whose record names the job.

    If the process is killed at any moment, there is either a run with its job, or something that :func:`tidy` removes. Raises
    WorkspaceError, RefusedError or UnreachableError and leaves nothing behind, TakenError if another id would do; raises
    SlurmError if Slurm did not answer: then the job may exist, and the run folder stays until that is known.
    """
    plan = submission.plan
    scheduler = require_scheduler(plan)
    intent = Intent.from_plan(plan)
    layout = build(plan, submission.script, submission.source, intent, submission.receipt, submission.more)
    try:
        with convert_write_errors(plan.run.workspace):
            _hand_over(scheduler, layout, submission.array)
    except (RefusedError, UnreachableError):
        _undo(intent)
        raise
    except WorkspaceError:
        if scheduler.ends_unnoted and not read_last_job(layout):
            _undo(intent)
        raise
    intent.forget()
    return layout


def _undo(intent: Intent) -> None:
    remove(intent.folder)
    intent.forget()


def _hand_over(scheduler: Scheduler, layout: RunLayout, array: Array | None) -> None:
    folder = Path(layout.folder)
    try:
        scheduler.submit(Path(layout.script), folder, os.environ, array, why=SUBMITTED, note=partial(note, layout))
        restrict_access(layout.submitit)
    except UnreachableError:
        raise
    except SlurmError as err:
        hint = f"the job may have been submitted all the same: 'slurmtf status {folder.name}' finds out"
        raise SlurmError(*err.findings, Finding("hint", "", hint)) from None


def tidy(workspace: Path) -> None:
    """Settle what killed clients left behind: adopt the job of a submission, or remove what never became one; finish removals.

    What can't be settled now, because Slurm does not answer or another client is doing it, is left to the next call.
    """
    with contextlib.suppress(SlurmError):
        _settle_all(workspace)
    for folder in (*find_removals(workspace), *_find_unnoted(workspace)):
        shutil.rmtree(folder, ignore_errors=True)
    for path in find_stale_partials(workspace):
        with contextlib.suppress(OSError):
            path.unlink()


def _settle_all(workspace: Path) -> None:
    for intent in Intent.read_all(workspace):
        with contextlib.suppress(OSError):  # another client settles it too, or we may not write: the next one will
            if has_died(intent.owner, intent.path):
                _settle(intent)


def find_removals(workspace: Path) -> Iterator[Path]:
    """Yield the remains of runs whose removal was interrupted."""
    yield from sorted(locate_own_folder(workspace).glob(f"{REMOVED}*"))


def find_stale_partials(workspace: Path) -> Iterator[Path]:
    """Yield files that a killed client was writing and that no process writes any more."""
    intents = locate_own_folder(workspace, INTENTS)
    for path in [*intents.glob(".*"), *SnapshotStore(workspace).list_partials()]:
        if compute_age(path) > UNKNOWN_OWNER_S:
            yield path


def find_abandoned(workspace: Path) -> Iterator[Path]:
    """Yield what was built for runs whose submission was killed, each followed by its note, if there is one."""
    yield from _find_unnoted(workspace)
    for intent in Intent.read_all(workspace):
        if not intent.folder.exists() and has_died(intent.owner, intent.path):
            yield from (found for found in (intent.staging, intent.path) if found.exists())


def _find_unnoted(workspace: Path) -> Iterator[Path]:
    """Yield the folders whose client was killed between taking the run's id and writing its note."""
    intents = locate_own_folder(workspace, INTENTS)
    for staging in sorted(
        locate_own_folder(workspace, STAGING).glob("*")
    ):  # before the notes: one is there while its folder is built
        if not (intents / f"{staging.name}.json").exists() and compute_age(staging) > UNKNOWN_OWNER_S:
            yield staging


def _settle(intent: Intent) -> None:
    layout = RunLayout(str(intent.folder))
    if intent.folder.exists() and not adopt(layout):
        if compute_age(intent.folder) < SETTLE_S or is_being_submitted(layout.script):
            return
        remove(intent.folder)
    shutil.rmtree(intent.staging, ignore_errors=True)
    intent.forget()
