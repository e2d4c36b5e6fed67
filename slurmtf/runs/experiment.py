"""An experiment: a named set of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slurmtf.environments import Software
from slurmtf.environments.building import build_pack
from slurmtf.errors import InputError
from slurmtf.estimator import Estimator
from slurmtf.estimator.azureml import overridden
from slurmtf.findings import Findings
from slurmtf.plan import LaunchPlan
from slurmtf.plan.model import Provenance
from slurmtf.runs.preparation import Prepared, prepare
from slurmtf.runs.run import Run
from slurmtf.runs.tags import settled
from slurmtf.runs.workspace import check_experiment, run_folders, workspace_of
from slurmtf.sites import resolve_target
from slurmtf.submit.building import provide, withdraw
from slurmtf.submit.submission import submit, tidy
from slurmtf.trusted import of_project


@dataclass(frozen=True)
class Experiment:
    """A named set of runs in a workspace.

    ``workspace`` is a folder that the compute nodes see; left out: ``$SLURMTF_WORKSPACE``, the site's, else ``~/slurmtf-runs``.
    """

    name: str
    workspace: str | Path | None = None

    def __post_init__(self) -> None:
        check_experiment(self.name)

    def plan(self, estimator: Estimator, run_id: str | None = None) -> tuple[LaunchPlan, str]:
        """Return the plan of a run and its batch script. Writes nothing, submits nothing, asks no Slurm.

        Raises an InputError with everything that is wrong.
        """
        prepared = prepare(estimator, self.name, self.workspace, run_id)
        return prepared.plan, prepared.script

    def submit(
        self,
        estimator: Estimator,
        tags: Mapping[str, object] | None = None,
        *,
        tell: Callable[[str], None] | None = None,
        **overrides: Any,
    ) -> Run:
        """Submit a training job and return its run at once.

        The environment that it asks for is built first, when it has not been: ``tell`` gets each step. ``script_params``,
        ``inputs`` and ``source_directory_data_store`` hold for this run instead of the estimator's; a mapping of
        ``script_params`` replaces only the arguments that it names. ``tags`` are for finding the run again.

        Raises an InputError when the run can't be had as asked, and then nothing is left behind; SlurmError when Slurm does
        not answer.
        """
        here = replace(self, workspace=overrides.get("source_directory_data_store") or self.workspace)
        return here._submit(overridden(estimator, overrides), tags, tell or _silent)

    def _submit(self, estimator: Estimator, tags: Mapping[str, object] | None, tell: Callable[[str], None]) -> Run:
        findings = Findings()
        texts = findings.attempt(settled, tags) or {}
        prepared = prepare(estimator, self.name, self.workspace, submitting=True, findings=findings)
        tidy(prepared.target.workspace)
        for line in _of_project(prepared.plan.provenance):
            tell(line)
        building = prepared.building
        if building is None or building.is_there():
            return _submitted(prepared, texts, tell)
        pending = provide(building, tell)
        try:
            if pending:
                return _submitted(prepared.awaiting(pending.awaited), texts)
            place = prepared.plan.run
            return _submitted(prepare(estimator, self.name, self.workspace, place.run_id, source=prepared.source), texts, tell)
        except InputError:
            withdraw(building, pending)
            raise

    def build(self, estimator: Estimator, *, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
        """Build the environment of an estimator, and return its name, its folder, and its build job.

        Raises an InputError when it can't be built; SlurmError when Slurm does not answer.
        """
        building = prepare(estimator, self.name, self.workspace).building
        if building is None:
            return {"name": None, "folder": None, "job_id": None}
        pending = provide(building, tell or _silent)
        name = building.spec.name
        job_id = pending.awaited.job_id if pending else None
        return {"name": name, "folder": str(building.store.folder(name)), "job_id": job_id}

    def check(self, estimator: Estimator) -> tuple[Software, LaunchPlan]:
        """Return what is known of the software of a training job, and its plan with the warnings. Writes and submits nothing.

        Raises an InputError when the script imports what is not there.
        """
        prepared = prepare(estimator, self.name, self.workspace)
        return prepared.software, prepared.plan

    def get_runs(self) -> list[Run]:
        """Return the experiment's runs, newest first."""
        workspace = workspace_of(resolve_target(None).storage.workspace, self.workspace)
        return [Run(folder) for folder in run_folders([workspace], self.name)]


def _of_project(provenance: Provenance) -> list[str]:
    """Return a line that says what comes from the working directory's own folder; none when nothing does."""
    found = of_project([provenance.profile, *provenance.templates])
    return [f"used from this folder: {', '.join(found)}"] if found else []


def _silent(text: str) -> None:  # noqa: ARG001
    return


def _submitted(prepared: Prepared, tags: dict[str, str], tell: Callable[[str], None] | None = None) -> Run:
    """Submit a run. ``tell`` gets each step of its environment's packing; without it nothing is packed here."""
    pack, target = prepared.looked_up.pack, prepared.target
    if pack and tell:
        build_pack(pack, target.store, target.site, tell)
    return Run(submit(prepared.submission(tags)).folder)
