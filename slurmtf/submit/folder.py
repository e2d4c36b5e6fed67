"""The run folder: built under another name, and renamed when it is complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from slurmtf.archives import HOOK, build_job_archive
from slurmtf.errors import WorkspaceError
from slurmtf.files import PRIVATE_FOLDER, convert_write_errors, make_private, read_json, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan import LaunchPlan
from slurmtf.processes import ProcessId, identify, recognize
from slurmtf.snapshot import Snapshot, SnapshotStore
from slurmtf.trusted import locate_own_folder

REMOVED = ".removed-"
INTENTS, STAGING = "intents", "staging"
Fill = Callable[[RunLayout], None]
COMPILED = "__pycache__"
"""Where each task's Python keeps the compiled hook: if Python created the folder, it would follow the script's umask."""


class TakenError(WorkspaceError):
    """Another submission has the run's id."""


@dataclass(frozen=True)
class Intent:
    """The note that a run is being submitted, kept outside the run until its job is known."""

    path: Path
    folder: Path
    owner: ProcessId

    @property
    def staging(self) -> Path:
        """Where the run's folder is built."""
        return self.path.parents[1] / STAGING / self.path.stem

    @classmethod
    def from_plan(cls, plan: LaunchPlan) -> Intent:
        path = locate_own_folder(plan.run.workspace, INTENTS) / f"{plan.run.run_id}.json"
        return cls(path, Path(plan.run.folder), identify(os.getpid()))

    @classmethod
    def read_all(cls, workspace: Path) -> list[Intent]:
        """Return the notes of a workspace. Raises WorkspaceError if somebody else could have written them."""
        found = [cls.read(path) for path in sorted(locate_own_folder(workspace, INTENTS).glob("*.json"))]
        return [intent for intent in found if intent is not None]

    @classmethod
    def read(cls, path: Path) -> Intent | None:
        """Return the note at ``path``; None if its run has been submitted meanwhile, or it names no run of this workspace."""
        try:
            facts = read_json(path)
            owner, series = recognize(facts["owner"]), Path(facts["folder"]).parent.name
        except (OSError, ValueError, KeyError, TypeError):
            return None
        folder = path.parents[2] / series / path.stem  # not from the note: no other folder is ever removed
        return cls(path, folder, owner) if owner and _may_be_run(folder) else None

    @contextmanager
    def stage(self) -> Iterator[RunLayout]:
        """Yield the run folder to be built, which gets its name after that. Raises TakenError where another run has the id."""
        self._claim()
        try:
            self.write()
            yield RunLayout(str(self.staging))
            make_private(self.folder.parent)
            self.staging.rename(self.folder)
        except BaseException:
            shutil.rmtree(self.staging, ignore_errors=True)
            self.forget()
            raise

    def _claim(self) -> None:
        """Claim the id by creating the folder: a note can't claim it, because an existing one must not be overwritten."""
        make_private(self.staging.parent)
        try:
            self.staging.mkdir(PRIVATE_FOLDER)
            if self.folder.exists():
                self.staging.rmdir()
                raise FileExistsError
        except FileExistsError:
            raise TakenError(Finding("id-taken", self.path.stem, "is the id of another run", "submit it again")) from None

    def write(self) -> None:
        make_private(self.path.parent)
        write_json(self.path, {"folder": str(self.folder), "owner": asdict(self.owner)})

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def _may_be_run(folder: Path) -> bool:
    """Return whether a folder holds a run, or does not exist yet. No link may lead to it."""
    links = folder.is_symlink() or folder.parent.is_symlink() or folder.parent.name.startswith(".")
    return not links and (Path(RunLayout(str(folder)).plan).is_file() or not folder.exists())


def build(
    plan: LaunchPlan,
    script: str,
    source: Snapshot,
    intent: Intent,
    receipt: JsonObject,
    more: Iterable[Fill] = (),
) -> RunLayout:
    """Build the run folder of a plan; ``more`` are functions that write more into it.

    Raises WorkspaceError or SnapshotError, and then leaves nothing behind.
    """
    with convert_write_errors(plan.run.workspace):
        make_private(Path(plan.run.workspace))
        with intent.stage() as layout:
            taken = SnapshotStore(Path(plan.run.workspace)).take(source, layout.source)
            taken.contents.check_holds(plan.script)  # files may be gone since the plan was resolved
            provenance = replace(plan.provenance, snapshot=taken.ref)
            job = plan.job._replace(snapshot=taken.ref.id)
            _fill(layout, replace(plan, provenance=provenance, job=job), script, _add_source(receipt, taken))
            for fill in more:
                fill(layout)
    return plan.layout


def _add_source(receipt: JsonObject, taken: Snapshot) -> dict[str, object]:
    """Return the receipt with the facts of the snapshot."""
    source = {**receipt["source"], "snapshot": taken.ref.id, "left_out": list(taken.contents.left_out)}
    return {**receipt, "source": source}


def _fill(layout: RunLayout, plan: LaunchPlan, script: str, receipt: dict[str, object]) -> None:
    for folder in (layout.logs, layout.outputs, layout.metrics, layout.submitit, Path(layout.hook, COMPILED)):
        make_private(folder)
    write_private(layout.plan, plan.to_json())
    write_private(layout.script, script)
    write_private(layout.job_log, "")  # Slurm appends; one that it created would follow the umask
    write_private(layout.trace, "")
    write_private(layout.agent, build_job_archive())
    write_private(Path(layout.hook, HOOK.name), HOOK.read_bytes())
    write_json(layout.receipt, receipt)


def remove(folder: Path) -> None:
    """Remove a run folder at once, by renaming it first: see :func:`slurmtf.submit.submission.tidy`."""
    doomed = locate_own_folder(folder.parents[1]) / f"{REMOVED}{folder.name}"
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
