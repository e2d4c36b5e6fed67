"""An experiment: a named series of runs."""

from __future__ import annotations

import getpass
import platform
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slurmtf.environments import EnvironmentStore, Software, software_of
from slurmtf.environments.building import build_pack
from slurmtf.environments.images import inside, login_of
from slurmtf.environments.packing import Pack, pack_of
from slurmtf.environments.probe import Script, asked_later, asking
from slurmtf.environments.store import store_of
from slurmtf.errors import InputError
from slurmtf.estimator import Estimator
from slurmtf.estimator.overrides import overridden
from slurmtf.plan import LaunchPlan, RunPlace, render, resolve
from slurmtf.plan.checks import needs as needs_of
from slurmtf.plan.model import Awaited
from slurmtf.plan.staging import LookedUp, is_local
from slurmtf.runs.data import look
from slurmtf.runs.run import Run
from slurmtf.runs.tags import settled
from slurmtf.runs.workspace import check_experiment, new_run_id, run_folders, workspace_of
from slurmtf.sites import Site, resolve_target
from slurmtf.sites.search import search_path
from slurmtf.snapshot import ScriptFacts, SnapshotStore, collect, examine
from slurmtf.snapshot.git import repository
from slurmtf.snapshot.limits import contents_warnings
from slurmtf.submit.building import Building, provide, withdraw
from slurmtf.submit.submission import Submission, scheduler_for, submit, tidy


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

    def submit(
        self,
        estimator: Estimator,
        tags: Mapping[str, object] | None = None,
        *,
        tell: Callable[[str], None] | None = None,
        **overrides: Any,
    ) -> Run:
        """Submit a training and return its run at once.

        The environment that it asks for is built first, when it has not been: ``tell`` gets each step. ``script_params``,
        ``inputs`` and ``source_directory_data_store`` hold for this run instead of the estimator's; a mapping of
        ``script_params`` replaces only the arguments that it names. ``tags`` are for finding the run again.

        Raises an InputError when the run can't be had as asked, and then nothing is left behind; SlurmError when Slurm does
        not answer.
        """
        here = replace(self, workspace=overrides.get("source_directory_data_store") or self.workspace)
        return here._submit(overridden(estimator, overrides), settled(tags), tell or _silent)

    def _submit(self, estimator: Estimator, tags: dict[str, str], tell: Callable[[str], None]) -> Run:
        prepared = self._prepare(estimator, None)
        place = prepared.submission.plan.run
        scheduler_for(prepared.submission.plan)
        tidy(Path(place.workspace))
        if prepared.building is None or prepared.building.is_there():
            prepared.build_pack(tell)
            return prepared.submit(tags)
        pending = provide(prepared.building, tell)
        try:
            if pending is None:
                prepared.build_pack(tell)
            complete = self._prepare(estimator, place.run_id, pending.awaited if pending else None)
            return complete.submit(tags)
        except InputError:
            withdraw(prepared.building, pending)
            raise

    def build(self, estimator: Estimator, *, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
        """Build the environment of an estimator, and return its name, its folder, and its build job.

        Raises an InputError when it can't be built; SlurmError when Slurm does not answer.
        """
        building = self._prepare(estimator, None).building
        if building is None:
            return {"name": None, "folder": None, "job_id": None}
        pending = provide(building, tell or _silent)
        name = building.spec.name
        job_id = pending.awaited.job_id if pending else None
        return {"name": name, "folder": str(building.store.folder(name)), "job_id": job_id}

    def check(self, estimator: Estimator) -> tuple[Software, LaunchPlan]:
        """Return what is known of the software of a training, and its plan with the warnings. Writes and submits nothing.

        Raises an InputError when the script imports what is not there.
        """
        prepared = self._prepare(estimator, None)
        return prepared.software, prepared.submission.plan

    def get_runs(self) -> list[Run]:
        """Return the experiment's runs, newest first."""
        workspace = workspace_of(resolve_target(None).storage.workspace, self.workspace)
        return [Run(folder) for folder in run_folders([workspace], self.name)]

    def _prepare(self, estimator: Estimator, run_id: str | None, after: Awaited | None = None) -> _Prepared:
        site = resolve_target(estimator.compute_target)
        workspace = workspace_of(site.storage.workspace, self.workspace or estimator.source_directory_data_store)
        place = RunPlace(str(workspace), self.name, run_id or new_run_id(self.name))
        store = store_of(site, workspace)
        root = Path(estimator.source_directory)
        facts = examine(root, estimator.script, bool(estimator.module))
        asked, needs = software_of(estimator, site, store), _needs(root, estimator, facts)
        with asking(estimator, site, asked, needs, inside(asked, site)) as answer:
            contents = collect(root, outside=[workspace, store.root])
            contents.check_holds(estimator.script)
            source, receipt = SnapshotStore(workspace).read(contents), _receipt(estimator, site)
            looked_up = _findings(estimator, site, asked, store, workspace)
            software = answer()
        absent = [one.module for one in facts.foreign] if software.is_to_build else software.missing
        facts = facts.placed(absent, (entry.name for entry in contents.entries))
        plan = resolve(
            estimator,
            site,
            software,
            source.ref,
            place,
            facts,
            contents_warnings(contents),
            after,
            looked_up,
        )
        script = render(plan, search_path("templates", "SLURMTF_TEMPLATE_PATH"))
        receipt["lock"] = _lock(software, store)
        building = None
        if software.spec:
            request = asked_later(estimator, site, software, needs_of(estimator, facts, software))
            building = Building(software.spec, store, site, estimator, login_of(estimator), looked_up.pack, request)
        return _Prepared(Submission(plan, script, source, receipt), building, software, looked_up.pack, store, site)


@dataclass(frozen=True)
class _Prepared:
    """A submission, and the environment and its pack to build before it."""

    submission: Submission
    building: Building | None
    software: Software
    pack: Pack | None
    store: EnvironmentStore
    site: Site

    def build_pack(self, tell: Callable[[str], None]) -> None:
        """Pack the environment, unless the pack is there. Raises SoftwareError when that fails."""
        if self.pack is not None:
            build_pack(self.pack, self.store, self.site, tell)

    def submit(self, tags: dict[str, str]) -> Run:
        submission = self.submission
        return Run(submit(replace(submission, receipt={**submission.receipt, "tags": tags})).folder)


def _silent(text: str) -> None:  # noqa: ARG001
    return


def _needs(root: Path, estimator: Estimator, facts: ScriptFacts) -> Script:
    """Return what the interpreter must know of a script to tell what it lacks."""
    folders = [root] if estimator.module else [(root / estimator.script).parent, root]
    return Script([one.module for one in facts.foreign], list(dict.fromkeys(map(str, folders))))


def _findings(estimator: Estimator, site: Site, software: Software, store: EnvironmentStore, workspace: Path) -> LookedUp:
    """Look up what is to be brought to the nodes. Raises SpecError for data that is not there."""
    pack, unpackable = pack_of(software, store, site.storage.pack) if is_local(estimator, site) else (None, "")
    return LookedUp(pack, unpackable, tuple(look(estimator.inputs or [], site, workspace)))


def _lock(software: Software, store: EnvironmentStore) -> list[str] | None:
    """Return the exact versions of the environment that was built; None where none was, or not yet."""
    return store.record(software.spec.name).get("lock") if software.spec else None


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
