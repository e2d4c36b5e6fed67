"""An experiment: a named set of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from slurmtf.collecting import Findings
from slurmtf.environments import Software
from slurmtf.environments.building import build_pack
from slurmtf.errors import InputError
from slurmtf.estimator import Estimator
from slurmtf.estimator.azureml import override
from slurmtf.experiments.following import follow, read_followed, update_dependency
from slurmtf.experiments.preparation import PreparedRun, prepare
from slurmtf.experiments.resuming import resolve_resume_folder
from slurmtf.experiments.run import Run
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.plan import LaunchPlan
from slurmtf.plan.model import Provenance
from slurmtf.runs.chains.dependencies import EarlierRun
from slurmtf.runs.workspaces.tags import normalize
from slurmtf.runs.workspaces.workspace import check_experiment, list_run_folders, resolve_workspace
from slurmtf.sites import resolve_target
from slurmtf.submit.building import provide, withdraw
from slurmtf.submit.folder import TakenError
from slurmtf.submit.submission import Submission, submit, tidy
from slurmtf.trusted import select_project_files

Shape = Callable[[Submission], Submission]


class Submittable(Protocol):
    """What can be submitted other than an estimator: a sweep."""

    def submit_to(
        self, experiment: Experiment, tags: Mapping[str, object] | None, tell: Callable[[str], None], **overrides: object
    ) -> Run: ...


@dataclass(frozen=True)
class Experiment:
    """A named set of runs in a workspace.

    ``workspace`` is a folder that the compute nodes see. Default: ``$SLURMTF_WORKSPACE``, the site's, else ``~/slurmtf-runs``.
    """

    name: str
    workspace: str | Path | None = None

    def __post_init__(self) -> None:
        check_experiment(self.name)

    def plan(
        self, estimator: Estimator, run_id: str | None = None, *, after: Sequence[Run | str] = ()
    ) -> tuple[LaunchPlan, str]:
        """Return the plan of a run and its batch script.

        Writes only caches, and submits nothing. Slurm is queried only about runs to follow (``after``). Raises an InputError
        with everything that is wrong.
        """
        findings = Findings(estimator.sources)
        follower, _ = follow(self._resolve_resume_from(estimator, findings), after, self.workspace, findings)
        prepared = prepare(follower, self.name, self.workspace, run_id, findings=findings)
        return prepared.plan, prepared.script

    def submit(
        self,
        estimator: Estimator | Submittable,
        tags: Mapping[str, object] | None = None,
        *,
        after: Sequence[Run | str] = (),
        tell: Callable[[str], None] | None = None,
        **overrides: Any,
    ) -> Run:
        """Submit a training job and return its run at once.

        Its environment is built first, unless it exists; ``tell`` is called with each step. ``script_params``, ``inputs`` and
        ``source_directory_data_store`` override the estimator's for this run; a mapping of ``script_params`` replaces only the
        arguments that it names. ``tags`` are for finding the run again. ``after`` lists runs that must have ended first: a run
        or ``RUN`` must have completed, ``RUN:any`` may have ended in any way, ``RUN:notok`` must have failed (sbatch(1),
        --dependency). If that becomes impossible, Slurm cancels the run.

        Raises an InputError if the run can't be submitted as requested, and leaves nothing behind; SlurmError if Slurm does not
        answer.
        """
        if not isinstance(estimator, Estimator):
            return estimator.submit_to(self, tags, tell or _ignore_step, after=after, **overrides)
        here = replace(self, workspace=overrides.get("source_directory_data_store") or self.workspace)
        return here.submit_shaped(override(estimator, overrides), tags, tell or _ignore_step, leave_unchanged, after)

    def submit_shaped(
        self,
        estimator: Estimator,
        tags: Mapping[str, object] | None,
        tell: Callable[[str], None],
        shape: Shape,
        after: Sequence[Run | str] = (),
        lock: Sequence[str] = (),
    ) -> Run:
        """Submit a run whose submission ``shape`` has changed: see :class:`Submittable`. ``lock``: the versions to install if
        an environment has to be built."""
        findings = Findings(estimator.sources)
        texts = findings.attempt(normalize, tags) or {}
        estimator = self._resolve_resume_from(estimator, findings)
        follower, earlier = follow(estimator, after, self.workspace, findings)
        given = _Additions(texts, earlier, shape)
        prepared = prepare(follower, self.name, self.workspace, submitting=True, findings=findings)
        tidy(prepared.target.workspace)
        for line in _describe_project_files(prepared.plan.provenance):
            tell(line)
        building = prepared.building
        if building is None or building.is_there():
            return _submit(prepared, given, tell)
        pending = provide(building, tell, lock)
        try:
            if pending:
                return _submit(prepared.await_job(pending.awaited), given)
            now = Findings(estimator.sources)  # the runs that it follows have gone on meanwhile
            follower, earlier = follow(estimator, after, self.workspace, now)
            place = prepared.plan.run
            built = prepare(follower, self.name, self.workspace, place.run_id, source=prepared.source, findings=now)
            return _submit(built, replace(given, after=earlier), tell)
        except InputError:
            withdraw(building, pending)
            raise

    def _resolve_resume_from(self, estimator: Estimator, findings: Findings) -> Estimator:
        """Return the estimator with the path of the folder that it resumes from."""
        folder = (
            findings.attempt(resolve_resume_folder, estimator.resume_from, self.workspace) if estimator.resume_from else None
        )
        if folder is None:
            return estimator
        resuming = replace(estimator, resume_from=folder)
        resuming.note_sources(estimator.sources)
        return resuming

    def build(self, estimator: Estimator, *, tell: Callable[[str], None] | None = None) -> JsonObject:
        """Build the environment of an estimator, and return its name, its folder, and its build job.

        Raises an InputError if it can't be built; SlurmError if Slurm does not answer.
        """
        building = prepare(estimator, self.name, self.workspace).building
        if building is None:
            return {"name": None, "folder": None, "job_id": None}
        pending = provide(building, tell or _ignore_step)
        name = building.spec.name
        job_id = pending.awaited.job_id if pending else None
        return {"name": name, "folder": str(building.store.folder(name)), "job_id": job_id}

    def check(self, estimator: Estimator) -> tuple[Software, LaunchPlan]:
        """Return what is known about the software of a training job, and its plan with the warnings.

        Writes and submits nothing. Raises an InputError if the script imports something that is missing.
        """
        prepared = prepare(estimator, self.name, self.workspace)
        return prepared.software, prepared.plan

    def get_runs(self) -> list[Run]:
        """Return the experiment's runs, newest first."""
        workspace = resolve_workspace(resolve_target(None).storage.workspace, self.workspace)
        return [Run(folder) for folder in list_run_folders([workspace], self.name)]


def _describe_project_files(provenance: Provenance) -> list[str]:
    """Return a line that names what comes from the working directory's own folder; none if nothing does."""
    found = select_project_files([provenance.profile, *provenance.templates])
    return [f"used from this folder: {', '.join(found)}"] if found else []


def _ignore_step(text: str) -> None:  # noqa: ARG001
    return


def leave_unchanged(submission: Submission) -> Submission:
    return submission


@dataclass(frozen=True)
class _Additions:
    """What a submission adds to its estimator: tags, the runs to follow, and a final change."""

    tags: dict[str, str]
    after: tuple[EarlierRun, ...]
    shape: Shape


def _submit(prepared: PreparedRun, given: _Additions, tell: Callable[[str], None] | None = None) -> Run:
    """Submit a run. ``tell`` is called with each step of packing its environment; without it, nothing is packed here."""
    pack, target = prepared.looked_up.pack, prepared.target
    if pack and tell:
        build_pack(pack, target.store, target.site, tell)
    while True:
        try:
            return _hand_over(prepared, given)
        except TakenError:
            prepared = prepared.rename()


def _hand_over(prepared: PreparedRun, given: _Additions) -> Run:
    names = tuple(one.spelled for one in given.after)
    plan = replace(prepared.plan, provenance=replace(prepared.plan.provenance, after=names))
    submission = given.shape(replace(prepared, plan=plan).build_submission(given.tags))
    waits = read_followed(plan, given.after)
    layout = submit(submission.with_more(waits.note) if waits else submission)
    if waits:
        update_dependency(waits, plan, layout, given.after)
    return Run(layout.folder)
