"""An experiment: a named series of runs."""

from __future__ import annotations

import getpass
import platform
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slurmtf.environments import EnvironmentStore, Software, software_of
from slurmtf.environments.images import inside, login_of
from slurmtf.environments.probe import installed
from slurmtf.environments.store import store_of
from slurmtf.errors import InputError
from slurmtf.estimator import Estimator
from slurmtf.plan import LaunchPlan, RunPlace, render, resolve
from slurmtf.runs.run import Run
from slurmtf.runs.workspace import check_experiment, new_run_id, run_folders, workspace_of
from slurmtf.sites import Site, resolve_target
from slurmtf.sites.search import search_path
from slurmtf.snapshot import SnapshotStore, collect, examine
from slurmtf.snapshot.git import repository
from slurmtf.snapshot.limits import size_warnings
from slurmtf.submit.building import Building, provide, withdraw
from slurmtf.submit.submission import Submission, check_scheduler, submit, tidy


@dataclass(frozen=True)
class Experiment:
    """A named series of runs in a workspace.

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
        prepared = self._prepare(estimator, run_id).submission
        return prepared.plan, prepared.script

    def submit(self, estimator: Estimator, *, tell: Callable[[str], None] | None = None) -> Run:
        """Submit a training and return its run at once.

        The environment that it asks for is made first, when it has not been: ``tell`` is told each step.

        Raises an InputError when the run can't be had as asked, and then nothing is left behind; SlurmError when Slurm does
        not answer.
        """
        prepared = self._prepare(estimator, None)
        place = prepared.submission.plan.run
        check_scheduler(prepared.submission.plan)
        tidy(Path(place.workspace))
        if prepared.building is None or prepared.building.is_there():
            return Run(submit(prepared.submission).folder)
        making = provide(prepared.building, tell or _silent)
        try:
            complete = self._prepare(estimator, place.run_id, making.job_id if making else None)
            return Run(submit(complete.submission).folder)
        except InputError:
            withdraw(prepared.building, making)
            raise

    def build(self, estimator: Estimator, *, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
        """Have the environment of a training made, and return its name, its folder, and the job that makes it.

        Raises an InputError when it can't be made; SlurmError when Slurm does not answer.
        """
        building = self._prepare(estimator, None).building
        if building is None:
            return {"name": None, "folder": None, "job_id": None}
        making = provide(building, tell or _silent)
        name = building.recipe.name
        job_id = making.job_id if making else None
        return {"name": name, "folder": str(building.store.folder(name)), "job_id": job_id}

    def get_runs(self) -> list[Run]:
        """Return the experiment's runs, newest first."""
        workspace = workspace_of(resolve_target(None).storage.workspace, self.workspace)
        return [Run(folder) for folder in run_folders([workspace], self.name)]

    def _prepare(self, estimator: Estimator, run_id: str | None, after: str | None = None) -> _Prepared:
        site = resolve_target(estimator.compute_target)
        workspace = workspace_of(site.storage.workspace, self.workspace or estimator.source_directory_data_store)
        place = RunPlace(str(workspace), self.name, run_id or new_run_id(self.name))
        store = store_of(site, workspace)
        contents = collect(Path(estimator.source_directory), outside=[workspace, store.root])
        contents.check_holds(estimator.script)
        facts = examine(Path(estimator.source_directory), estimator.script)
        source = SnapshotStore(workspace).read(contents)
        software = _software(estimator, site, store)
        plan = resolve(estimator, site, software, source.ref, place, facts, size_warnings(contents), after)
        script = render(plan, search_path("templates", "SLURMTF_TEMPLATE_PATH"))
        building = Building(software.recipe, store, site, estimator, login_of(estimator)) if software.recipe else None
        receipt = {**_receipt(estimator, site), "lock": _lock(software, store)}
        return _Prepared(Submission(plan, script, source, receipt), building)


@dataclass(frozen=True)
class _Prepared:
    """A submission, and the environment to make before it."""

    submission: Submission
    building: Building | None


def _silent(text: str) -> None:  # noqa: ARG001
    return


def _software(estimator: Estimator, site: Site, store: EnvironmentStore) -> Software:
    """Return the software of a run; what is installed is looked up where the distribution depends on it."""
    software = software_of(estimator, site, store)
    words = inside(software, site)
    elsewhere = bool(software.recipe or software.image) and not words
    if software.packages or elsewhere or (estimator.distribution is None and not estimator.legacy_keras):
        return software
    return replace(software, packages=installed(software.python, words))


def _lock(software: Software, store: EnvironmentStore) -> list[str] | None:
    """Return the exact versions of the environment that was made; None where none was, or not yet."""
    return store.record(software.recipe.name).get("lock") if software.recipe else None


def _receipt(estimator: Estimator, site: Site) -> dict[str, Any]:
    """Return what is needed to repeat or cite the run, beside its plan and its source."""
    return {
        "submitted": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "site": {"name": site.name, "profile": site.source, "verified": site.verified},
        "source": {"folder": estimator.source_directory, "git": repository(Path(estimator.source_directory))},
    }
