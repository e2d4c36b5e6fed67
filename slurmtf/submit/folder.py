"""The run folder: built under another name, and there at once when it is whole."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from slurmtf.archives import job_archive
from slurmtf.files import make_private, read_json, write_json, write_private, writing
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.script import sitecustomize as hook
from slurmtf.plan import LaunchPlan
from slurmtf.processes import ProcessId, identify, recognise
from slurmtf.snapshot import Snapshot, SnapshotStore


@dataclass(frozen=True)
class Intent:
    """The note that a run is being submitted, kept outside the run until its job is known."""

    path: Path
    folder: Path
    owner: ProcessId

    @property
    def staging(self) -> Path:
        """Where the run's folder is built."""
        return self.path.parents[1] / "staging" / self.path.stem

    @classmethod
    def of(cls, plan: LaunchPlan) -> Intent:
        path = Path(plan.run.workspace, ".slurmtf", "intents", f"{plan.run.run_id}.json")
        return cls(path, Path(plan.run.folder), identify(os.getpid()))

    @classmethod
    def read(cls, path: Path) -> Intent | None:
        """Return the note at ``path``; None when its run was submitted meanwhile."""
        facts = read_json(path)
        owner = recognise(facts.get("owner"))
        return cls(path, Path(facts["folder"]), owner) if owner else None

    def write(self) -> None:
        make_private(self.path.parent)
        write_json(self.path, {"folder": str(self.folder), "owner": asdict(self.owner)})

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def build(plan: LaunchPlan, script: str, source: Snapshot, intent: Intent, receipt: dict[str, Any]) -> RunLayout:
    """Make the run folder of a plan. Raises WorkspaceError or SnapshotError, and then nothing is left of it."""
    with writing(plan.run.workspace):
        make_private(Path(plan.run.workspace))
        try:
            intent.write()
            layout = RunLayout(str(intent.staging))
            make_private(layout.folder)
            taken = SnapshotStore(Path(plan.run.workspace)).take(source, layout.source)
            taken.contents.check_holds(plan.script)  # files may be gone since the plan was made
            _fill(layout, replace(plan, snapshot=taken.ref), script, _with_source(receipt, taken))
            make_private(intent.folder.parent)
            intent.staging.rename(intent.folder)
        except BaseException:
            shutil.rmtree(intent.staging, ignore_errors=True)
            intent.forget()
            raise
    return plan.layout


def _with_source(receipt: dict[str, Any], taken: Snapshot) -> dict[str, Any]:
    """Return the receipt with what was taken of the source, and its git tree if it is in git."""
    source = {**receipt["source"], "left_out": list(taken.contents.left_out)}
    if source["git"]:
        source["git"] = {**source["git"], "tree": taken.tree}
    return {**receipt, "source": source}


def _fill(layout: RunLayout, plan: LaunchPlan, script: str, receipt: dict[str, Any]) -> None:
    for folder in (layout.logs, layout.outputs, layout.metrics, layout.submitit):
        make_private(folder)
    write_private(layout.plan, plan.to_json())
    write_private(layout.script, script)
    write_private(layout.agent, job_archive())
    if plan.distribution.check_world or plan.distribution.cluster:
        make_private(layout.hook)
        write_private(Path(layout.hook, f"{hook.NAME}.py"), Path(hook.__file__).read_bytes())
    write_json(layout.receipt, receipt)


REMOVED = ".removed-"


def remove(folder: Path) -> None:
    """Remove a run folder at once, by moving it away first: see :func:`slurmtf.submit.submission.tidy`."""
    doomed = folder.parents[1] / ".slurmtf" / f"{REMOVED}{folder.name}"
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
