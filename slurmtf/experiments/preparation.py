"""Prepare a submission, doing everything once: the source's half, and the target's half with the plan.

The source's half (what the script does, the snapshot) serves any number of runs of the same source. The target's half (site,
software, data) is looked up once for each run. Findings of both are reported together.
"""

from __future__ import annotations

import contextlib
import getpass
import platform
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from slurmtf._version import __version__
from slurmtf.collecting import Findings
from slurmtf.environments import EnvironmentStore, Software, modules, software_of
from slurmtf.environments.images import inside, login_of
from slurmtf.environments.packing import pack_of
from slurmtf.environments.probe import Script, ask_interpreter, describe_later_check
from slurmtf.environments.software import untold
from slurmtf.environments.store import store_of
from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.experiments.data import look
from slurmtf.job.contract import variables as var
from slurmtf.loading import defer, pause_collection
from slurmtf.plan import LaunchPlan, RunPlace, resolve
from slurmtf.plan.checks import needs as needs_of
from slurmtf.plan.model import Awaited
from slurmtf.plan.rendering import render_script
from slurmtf.plan.staging import LookedUp, is_local
from slurmtf.runs.workspaces.workspace import new_run_id, workspace_of
from slurmtf.scheduler import scheduler_of
from slurmtf.sites import Site, resolve_target
from slurmtf.sites.search import search_path
from slurmtf.snapshot import Contents, ScriptFacts, Snapshot, SnapshotStore, collect, examine
from slurmtf.snapshot.git import ask_git
from slurmtf.snapshot.limits import contents_warnings
from slurmtf.submit.building import Building
from slurmtf.submit.submission import Submission

NOWHERE = Path("/nonexistent")
"""Stands for a workspace that could not be determined, while everything else is checked."""

WANTED_LATER = ("jinja2.sandbox", "submitit.core.core")
"""Modules imported while the job's interpreter answers: 50 ms that add nothing to a submission then."""
UNUSED = {"asyncio": ("Future",), "importlib.metadata": ()}
"""Modules that submitit imports, in 25 ms, for methods that no submission calls."""


@dataclass(frozen=True)
class Source:
    """The source's half: what the script does, what is in the snapshot, which commit it is."""

    facts: ScriptFacts
    contents: Contents
    snapshot: Snapshot
    git: dict[str, Any] | None


@dataclass(frozen=True)
class Target:
    """The target's half: the site, the workspace, the environments there."""

    site: Site
    workspace: Path
    store: EnvironmentStore


@dataclass(frozen=True)
class Prepared:
    """A run without errors: both halves, and the plan."""

    estimator: Estimator
    source: Source
    target: Target
    software: Software
    looked_up: LookedUp
    plan: LaunchPlan
    script: str
    awaited: Awaited | None = None
    """The build job that it waits for."""

    @property
    def building(self) -> Building | None:
        """What has to be built first; None if slurmtf builds nothing for it."""
        software, target = self.software, self.target
        if software.spec is None:
            return None
        needs = needs_of(self.estimator, _place_modules(self.source, software), software)
        request = describe_later_check(self.estimator, target.site, software, needs)
        login = login_of(self.estimator)
        return Building(software.spec, target.store, target.site, self.estimator, login, self.looked_up.pack, request)

    def await_job(self, job: Awaited) -> Prepared:
        """Return the run as one that waits for a build job. Everything that was looked up remains valid: only the plan
        changes."""
        return replace(self, awaited=job)._make_plan(self.plan.run)

    def rename(self) -> Prepared:
        """Return the run under another id."""
        return self._make_plan(replace(self.plan.run, run_id=new_run_id(self.plan.run.experiment)))

    def _make_plan(self, place: RunPlace) -> Prepared:
        found = self.estimator, self.source, self.target, self.software, self.looked_up
        plan, script = _with_script(_resolve(*found, place, self.awaited))
        return replace(self, plan=plan, script=script)

    def submission(self, tags: dict[str, str]) -> Submission:
        receipt = {**_receipt(self), "tags": tags}
        return Submission(self.plan, self.script, self.source.snapshot, receipt)


def prepare(
    estimator: Estimator,
    experiment: str,
    workspace: str | Path | None,
    run_id: str | None = None,
    *,
    source: Source | None = None,
    submitting: bool = False,
    findings: Findings | None = None,
) -> Prepared:
    """Prepare a run. Writes nothing but caches, submits nothing.

    ``source`` is the source's half if it is known already; ``submitting`` requires a scheduler on this machine; ``findings``
    are those found before. Raises an InputError with everything that is wrong.
    """
    findings = findings or Findings()
    findings.speak_of(estimator.sources)
    site = findings.attempt(resolve_target, estimator.compute_target)
    target = _target(site, workspace or estimator.source_directory_data_store, findings) if site else None
    if submitting and site:
        findings.attempt(scheduler_of(site.scheduler, site.cluster).check)
    source, software, looked_up = _look_at(estimator, target, source, findings)
    if site and _is_here(site):
        findings.add(modules.findings(estimator, site, software))
    if target:
        place = RunPlace(str(target.workspace), experiment, run_id or new_run_id(experiment))
        resolved = _resolve(estimator, source, target, software, looked_up, place, findings=findings)
        plan, script = findings.attempt(_with_script, resolved) or (resolved, "")
        findings.raise_errors()
        return Prepared(estimator, source, target, software, looked_up, plan, script)
    findings.raise_errors()
    raise AssertionError("unreachable")


def _is_here(site: Site) -> bool:
    """Return whether jobs for the site can be submitted from this machine, so that its modules and files are relevant."""
    try:
        scheduler_of(site.scheduler, site.cluster).check()
    except SpecError:
        return False
    return True


def _target(site: Site, given: str | Path | None, findings: Findings) -> Target:
    workspace = findings.attempt(workspace_of, site.storage.workspace, given) or NOWHERE
    return Target(site, workspace, findings.attempt(store_of, site, workspace) or EnvironmentStore(NOWHERE))


def _look_at(
    estimator: Estimator, target: Target | None, source: Source | None, findings: Findings
) -> tuple[Source, Software, LookedUp]:
    """Look at source, software and data: the job's interpreter answers while the source is read."""
    found = findings.attempt(software_of, estimator, target.site, target.store) if target else None
    software = found or untold(estimator.environment.modules)
    facts = source.facts if source else examine(Path(estimator.source_directory), estimator.script, bool(estimator.module))
    with _asking(estimator, target, software, facts) as answer:
        source = source or _source(estimator, target, facts, findings)
        looked_up = _look_up(estimator, target, software, findings)
        with defer(UNUSED), pause_collection():
            for name in WANTED_LATER:
                import_module(name)
        return source, answer(), looked_up


@contextlib.contextmanager
def _asking(
    estimator: Estimator, target: Target | None, software: Software, facts: ScriptFacts
) -> Iterator[Callable[[], Software]]:
    if target is None:
        yield lambda: software
        return
    needs = _needs(estimator, facts)
    starts = [] if software.is_untold else inside(software, target.site)
    with ask_interpreter(estimator, target.site, software, needs, starts) as answer:
        yield answer


def _needs(estimator: Estimator, facts: ScriptFacts) -> Script:
    """Return what the interpreter must know about a script to report what is missing."""
    root = Path(estimator.source_directory)
    folders = [root] if estimator.module else [(root / estimator.script).parent, root]
    return Script([one.module for one in facts.foreign], list(dict.fromkeys(map(str, folders))))


def _source(estimator: Estimator, target: Target | None, facts: ScriptFacts, findings: Findings) -> Source:
    """Walk and read the source. If it can't be read, or is too large, there is no snapshot, and the rest is checked
    without it."""
    root, workspace = Path(estimator.source_directory), target.workspace if target else NOWHERE
    nothing = Contents(root, ())
    with ask_git(root) as repository:
        contents = findings.attempt(collect, root, [workspace, target.store.root] if target else [])
        snapshot = findings.attempt(SnapshotStore(workspace).read, contents) if contents else None
        if contents:
            findings.attempt(contents.check_holds, estimator.script)
        held = snapshot.contents if snapshot else contents or nothing
        return Source(facts, held, snapshot or Snapshot(nothing, {}, {}), repository())


def _look_up(estimator: Estimator, target: Target | None, software: Software, findings: Findings) -> LookedUp:
    """Look up what has to be staged to the nodes."""
    site, workspace = (target.site, target.workspace) if target else (None, NOWHERE)
    doubts = findings.attempt(look, estimator.inputs or [], site, workspace) or []
    if target is None or software.is_untold or not is_local(estimator, target.site):
        return LookedUp(warnings=tuple(doubts))
    return LookedUp(*pack_of(software, target.store, target.site.storage.pack), tuple(doubts))


def _resolve(
    estimator: Estimator,
    source: Source,
    target: Target,
    software: Software,
    looked_up: LookedUp,
    place: RunPlace,
    after: Awaited | None = None,
    findings: Findings | None = None,
) -> LaunchPlan:
    return resolve(
        estimator,
        target.site,
        software,
        source.snapshot.ref,
        place,
        _place_modules(source, software),
        contents_warnings(source.contents),
        after,
        looked_up,
        findings,
    )


def _place_modules(source: Source, software: Software) -> ScriptFacts:
    """Return the facts about the script, with the places of modules that the software lacks and the source has."""
    absent = [one.module for one in source.facts.foreign] if software.is_to_build else software.missing
    return source.facts.placed(absent, (entry.name for entry in source.contents.entries))


def _with_script(plan: LaunchPlan) -> tuple[LaunchPlan, str]:
    """Return the plan with the names of its templates, and its batch script."""
    script, templates = render_script(plan, search_path("templates", var.SLURMTF_TEMPLATE_PATH))
    return replace(plan, provenance=replace(plan.provenance, templates=templates)), script


def _receipt(prepared: Prepared) -> dict[str, Any]:
    """Return what is needed to repeat or cite the run, in addition to its plan and its source."""
    site, software = prepared.target.site, prepared.software
    spec, snapshot = software.spec, prepared.source.snapshot.ref
    return {
        "slurmtf": __version__,
        "submitted": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "site": {"name": site.name, "profile": site.source, "verified": site.verified},
        "templates": list(prepared.plan.provenance.templates),
        "source": {"folder": prepared.estimator.source_directory, "git": prepared.source.git, "snapshot": snapshot.id},
        "software": _software(software),
        "lock": prepared.target.store.record(spec.name).get("lock") if spec else None,
    }


def _software(software: Software) -> dict[str, Any]:
    """Return what is known about the software before the job; packages only for an existing environment."""
    horovod = software.horovod
    return {
        "environment": software.spec.name if software.spec else software.prefix,
        "python": software.executable or software.python,
        "modules": list(software.modules),
        "image": software.image,
        "packages": dict(sorted(software.packages.items())),
        "gpu_build": software.gpu_build,
        "horovod": asdict(horovod) if horovod else None,
    }
