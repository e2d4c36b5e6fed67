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

from slurmtf._version import __version__
from slurmtf.collecting import Findings
from slurmtf.environments import EnvironmentStore, Software, modules, resolve_software
from slurmtf.environments.images import find_exec_prefix, resolve_login
from slurmtf.environments.packing import locate_pack
from slurmtf.environments.probe import Script, ask_interpreter, describe_later_check
from slurmtf.environments.software import build_unknown_software
from slurmtf.environments.store import resolve_store
from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.experiments.data import check_inputs
from slurmtf.job.contract import variables as var
from slurmtf.loading import defer, pause_collection
from slurmtf.plan import LaunchPlan, RunPlace, resolve
from slurmtf.plan.checks import describe_needs
from slurmtf.plan.model import AwaitedJob
from slurmtf.plan.rendering import render_script
from slurmtf.plan.staging import StagingFacts, is_local
from slurmtf.runs.workspaces.workspace import generate_run_id, resolve_workspace
from slurmtf.scheduler import get_scheduler
from slurmtf.sites import Site, resolve_target
from slurmtf.sites.search import list_search_path
from slurmtf.snapshot import Contents, ScriptFacts, Snapshot, SnapshotStore, collect, examine
from slurmtf.snapshot.git import ask_git
from slurmtf.snapshot.limits import check_contents
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
    git: dict[str, object] | None


@dataclass(frozen=True)
class Target:
    """The target's half: the site, the workspace, the environments there."""

    site: Site
    workspace: Path
    store: EnvironmentStore


@dataclass(frozen=True)
class PreparedRun:
    """A run without errors: both halves, and the plan."""

    estimator: Estimator
    source: Source
    target: Target
    software: Software
    looked_up: StagingFacts
    plan: LaunchPlan
    script: str
    awaited: AwaitedJob | None = None
    """The build job that it waits for."""

    @property
    def building(self) -> Building | None:
        """What has to be built first; None if slurmtf builds nothing for it."""
        software, target = self.software, self.target
        if software.spec is None:
            return None
        needs = describe_needs(self.estimator, _place_modules(self.source, software), software)
        request = describe_later_check(self.estimator, target.site, software, needs)
        login = resolve_login(self.estimator)
        return Building(software.spec, target.store, target.site, self.estimator, login, self.looked_up.pack, request)

    def await_job(self, job: AwaitedJob) -> PreparedRun:
        """Return the run as one that waits for a build job. Everything that was looked up remains valid: only the plan
        changes."""
        return replace(self, awaited=job)._make_plan(self.plan.run)

    def rename(self) -> PreparedRun:
        """Return the run under another id."""
        return self._make_plan(replace(self.plan.run, run_id=generate_run_id(self.plan.run.experiment)))

    def _make_plan(self, place: RunPlace) -> PreparedRun:
        found = self.estimator, self.source, self.target, self.software, self.looked_up
        plan, script = _render_batch_script(_resolve(*found, place, self.awaited))
        return replace(self, plan=plan, script=script)

    def build_submission(self, tags: dict[str, str]) -> Submission:
        receipt = {**_build_receipt(self), "tags": tags}
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
) -> PreparedRun:
    """Prepare a run. Writes nothing but caches, submits nothing.

    ``source`` is the source's half if it is known already; ``submitting`` requires a scheduler on this machine; ``findings``
    are those found before. Raises an InputError with everything that is wrong.
    """
    findings = findings or Findings()
    findings.set_sources(estimator.sources)
    site = findings.attempt(resolve_target, estimator.compute_target)
    target = _build_target(site, workspace or estimator.source_directory_data_store, findings) if site else None
    if submitting and site:
        findings.attempt(get_scheduler(site.scheduler, site.cluster).check)
    source, software, looked_up = _look_at(estimator, target, source, findings)
    if site and _can_submit_here(site):
        findings.add(modules.check_modules(estimator, site, software))
    if target:
        place = RunPlace(str(target.workspace), experiment, run_id or generate_run_id(experiment))
        resolved = _resolve(estimator, source, target, software, looked_up, place, findings=findings)
        plan, script = findings.attempt(_render_batch_script, resolved) or (resolved, "")
        findings.raise_errors()
        return PreparedRun(estimator, source, target, software, looked_up, plan, script)
    findings.raise_errors()
    raise AssertionError("unreachable")


def _can_submit_here(site: Site) -> bool:
    """Return whether jobs for the site can be submitted from this machine, so that its modules and files are relevant."""
    try:
        get_scheduler(site.scheduler, site.cluster).check()
    except SpecError:
        return False
    return True


def _build_target(site: Site, given: str | Path | None, findings: Findings) -> Target:
    workspace = findings.attempt(resolve_workspace, site.storage.workspace, given) or NOWHERE
    return Target(site, workspace, findings.attempt(resolve_store, site, workspace) or EnvironmentStore(NOWHERE))


def _look_at(
    estimator: Estimator, target: Target | None, source: Source | None, findings: Findings
) -> tuple[Source, Software, StagingFacts]:
    """Look at source, software and data: the job's interpreter answers while the source is read."""
    found = findings.attempt(resolve_software, estimator, target.site, target.store) if target else None
    software = found or build_unknown_software(estimator.environment.modules)
    facts = source.facts if source else examine(Path(estimator.source_directory), estimator.script, bool(estimator.module))
    with _ask_about_software(estimator, target, software, facts) as answer:
        source = source or _read_source(estimator, target, facts, findings)
        looked_up = _look_up(estimator, target, software, findings)
        with defer(UNUSED), pause_collection():
            for name in WANTED_LATER:
                import_module(name)
        return source, answer(), looked_up


@contextlib.contextmanager
def _ask_about_software(
    estimator: Estimator, target: Target | None, software: Software, facts: ScriptFacts
) -> Iterator[Callable[[], Software]]:
    if target is None:
        yield lambda: software
        return
    needs = _build_probe_request(estimator, facts)
    starts = [] if software.is_unknown else find_exec_prefix(software, target.site)
    with ask_interpreter(estimator, target.site, software, needs, starts) as answer:
        yield answer


def _build_probe_request(estimator: Estimator, facts: ScriptFacts) -> Script:
    """Return what the interpreter must know about a script to report what is missing."""
    root = Path(estimator.source_directory)
    folders = [root] if estimator.module else [(root / estimator.script).parent, root]
    return Script([one.module for one in facts.foreign], list(dict.fromkeys(map(str, folders))))


def _read_source(estimator: Estimator, target: Target | None, facts: ScriptFacts, findings: Findings) -> Source:
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


def _look_up(estimator: Estimator, target: Target | None, software: Software, findings: Findings) -> StagingFacts:
    """Look up what has to be staged to the nodes."""
    site, workspace = (target.site, target.workspace) if target else (None, NOWHERE)
    doubts = findings.attempt(check_inputs, estimator.inputs or [], site, workspace) or []
    if target is None or software.is_unknown or not is_local(estimator, target.site):
        return StagingFacts(warnings=tuple(doubts))
    return StagingFacts(*locate_pack(software, target.store, target.site.storage.pack), tuple(doubts))


def _resolve(
    estimator: Estimator,
    source: Source,
    target: Target,
    software: Software,
    looked_up: StagingFacts,
    place: RunPlace,
    after: AwaitedJob | None = None,
    findings: Findings | None = None,
) -> LaunchPlan:
    return resolve(
        estimator,
        target.site,
        software,
        source.snapshot.ref,
        place,
        _place_modules(source, software),
        check_contents(source.contents),
        after,
        looked_up,
        findings,
    )


def _place_modules(source: Source, software: Software) -> ScriptFacts:
    """Return the facts about the script, with the places of modules that the software lacks and the source has."""
    absent = [one.module for one in source.facts.foreign] if software.is_to_build else software.missing
    return source.facts.locate_missing(absent, (entry.name for entry in source.contents.entries))


def _render_batch_script(plan: LaunchPlan) -> tuple[LaunchPlan, str]:
    """Return the plan with the names of its templates, and its batch script."""
    script, templates = render_script(plan, list_search_path("templates", var.SLURMTF_TEMPLATE_PATH))
    return replace(plan, provenance=replace(plan.provenance, templates=templates)), script


def _build_receipt(prepared: PreparedRun) -> dict[str, object]:
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
        "software": _build_software_record(software),
        "lock": prepared.target.store.record(spec.name).get("lock") if spec else None,
    }


def _build_software_record(software: Software) -> dict[str, object]:
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
