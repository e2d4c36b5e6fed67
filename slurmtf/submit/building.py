"""Build a run's environment, here or in a build job, for which the run's job waits.

A build job also checks that the environment has everything that the run's script imports; a build here is checked at once. So
runs of the same script share a build job; for another script, a second build job follows the first and finds the environment
built.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slurmtf._version import __version__
from slurmtf.environments.building import ANOTHER_STORE, DIGEST_DIGITS, Tell, build, fetch, install_builder, write_spec
from slurmtf.environments.packing import Pack
from slurmtf.environments.shell import build_module_commands
from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.environments.store import EnvironmentStore
from slurmtf.errors import SlurmtfError, SoftwareError
from slurmtf.estimator import Estimator
from slurmtf.files import convert_write_errors, make_private, read_json, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.environments.claim import Claim
from slurmtf.job.contract.layout import SCRIPT
from slurmtf.plan import render
from slurmtf.plan.directives import build_builder_directives
from slurmtf.plan.model import AwaitedJob, Batch, BuildPlan, Shell
from slurmtf.scheduler import Scheduler, SubmittedJob, get_scheduler
from slurmtf.sites import Site
from slurmtf.sites.search import list_search_path

SUBMIT_WAIT_S = 120
BUILD = "build"
"""The reason recorded for such a job."""


@dataclass(frozen=True)
class Building:
    """How to build an environment: from what, where, for which user."""

    spec: EnvironmentSpec
    store: EnvironmentStore
    site: Site
    estimator: Estimator
    secrets: Mapping[str, str]
    pack: Pack | None = None
    request: Mapping[str, object] = field(default_factory=dict)
    """What the script needs from it: see :func:`slurmtf.environments.probe.describe_later_check`."""

    @property
    def task(self) -> str:
        """The name of a build job's work: the build, and the check for this script's imports."""
        asked = json.dumps(self.request, sort_keys=True).encode("utf-8", "surrogateescape")
        return f"{self.spec.name}.{hashlib.sha256(asked).hexdigest()[:DIGEST_DIGITS]}"

    @property
    def scheduler(self) -> Scheduler:
        return get_scheduler(self.site.scheduler, self.site.cluster)

    @property
    def by_job(self) -> bool:
        """Whether a build job builds it. A secret is never given to one, because Slurm would record it."""
        where = self.estimator.environment.build or self.site.environments.build
        return where == "job" and not self.secrets and self.scheduler.queues

    def is_there(self) -> bool:
        """Return whether it has been built, and mark it as used now."""
        found = bool(self.store.record(self.spec.name))
        if found:
            self.store.note_use(self.spec.name)
        return found


@dataclass(frozen=True)
class PendingBuild:
    """The job to wait for; ``ours``: it was submitted just now."""

    awaited: AwaitedJob
    job: SubmittedJob
    ours: bool


def provide(building: Building, tell: Tell, lock: Iterable[str] = ()) -> PendingBuild | None:
    """Build an environment, unless it exists.

    Returns the build job; None if the environment exists now. Raises SoftwareError if it can't be built, RefusedError or
    SlurmError if the job can't be submitted.
    """
    spec, store = building.spec, building.store
    if building.is_there():
        return None
    if not building.by_job:
        build(spec, store, building.site, tell, lock, building.secrets)
        return None
    if spec.kind != "pip" and building.site.network.internet is False:
        nodes = f"the nodes of {building.site.name} have no internet"
        what = f"a job can't build it: {nodes}, and nothing but pip packages can be fetched before"
        raise SoftwareError(Finding("build-failed", spec.name, what, "set `environment_definition.build=login`"))
    return _provide_job(building, tell, lock)


def _provide_job(building: Building, tell: Tell, lock: Iterable[str]) -> PendingBuild:
    """Return the build job: one that is queued already, or else a new one."""
    store, name = building.store, building.spec.name
    with convert_write_errors(store.root, ANOTHER_STORE):
        store.layout.prepare()
    claim = Claim(store.layout.claim(f"{name}.submit"))
    deadline = time.monotonic() + SUBMIT_WAIT_S
    while not claim.take():
        if time.monotonic() > deadline:
            raise SoftwareError(
                Finding("build-claimed", name, "another process has been submitting it for too long", "try again")
            )
        time.sleep(0.2)
    try:
        same, earlier = _find_queued(building, building.task, name)
        if same:
            _note_job(building, building.task, same, shared=True)
        job = same or _submit(building, tell, lock, earlier)
        return PendingBuild(AwaitedJob(job.ref.job_id, building.task), job, ours=not same)
    finally:
        claim.release()


def _find_queued(building: Building, *tasks: str) -> list[SubmittedJob | None]:
    """Return the jobs that do this work and have not ended; None if there are none."""
    known = [read_json(building.store.layout.job(task)).get("job") for task in tasks]
    jobs = [SubmittedJob.from_dict(facts) if facts else None for facts in known]
    asked = [job for job in jobs if job]
    seen = building.scheduler.observe(asked) if asked else {}
    return [job if job in seen and not seen[job].state.final else None for job in jobs]


def _submit(building: Building, tell: Tell, lock: Iterable[str], earlier: SubmittedJob | None) -> SubmittedJob:
    """Submit the build job. If ``earlier``, another job, is already building the environment, the new one follows it."""
    spec, store, site, task = building.spec, building.store, building.site, building.task
    wheels = ""
    if spec.kind == "pip" and site.network.internet is False:
        wheels = fetch(spec, store, site, tell, lock)
    write_json(store.layout.spec(task), {**building.request, "name": task})
    files = (install_builder(store), write_spec(spec, store, lock, wheels, building.pack), store.layout.spec(task))
    plan = build_plan(building, files, earlier)
    script = Path(store.layout.build_job(task), SCRIPT)
    make_private(script.parent)
    write_private(script, render(plan, list_search_path("templates", var.SLURMTF_TEMPLATE_PATH)))
    for name in (spec.name, task):
        Path(store.layout.failure(name)).unlink(missing_ok=True)
    noted = (task,) if earlier else (task, spec.name)

    def note(job: SubmittedJob) -> None:
        for name in noted:
            _note_job(building, name, job)

    (job,) = building.scheduler.submit(script, script.parent, os.environ, why=BUILD, note=note)
    tell(f"submitted build job {job.ref.job_id} for {spec.name}; its log: {store.layout.log(spec.name)}")
    return job


def _note_job(building: Building, task: str, job: SubmittedJob, shared: bool = False) -> None:
    """Record which job does the work; ``shared``: several runs wait for it."""
    write_json(building.store.layout.job(task), {"job": job.to_dict(), "shared": shared})


def build_plan(building: Building, files: Sequence[str], earlier: SubmittedJob | None = None) -> BuildPlan:
    """Return the plan of the job. ``files`` are the builder, the environment spec, and what the script needs."""
    spec, site, layout = building.spec, building.site, building.store.layout
    own = {"chdir": layout.build_job(building.task), "output": f"{layout.logs}/{building.task}.job"}
    own |= {"dependency": f"afterany:{earlier.ref.job_id}"} if earlier else {}
    shell = Shell(
        shebang=site.environment.shebang,
        unset=tuple(site.environment.unset),
        prologue=tuple(site.environment.prologue),
        modules=build_module_commands(site, spec.modules),
    )
    return BuildPlan(
        name=spec.name,
        summary=spec.summary,
        site=site.name,
        batch=Batch(
            "build.sh.j2",
            tuple(build_builder_directives(building.estimator, site, spec.name, own)),
            shell,
            ("python3" if spec.kind == "conda" else spec.python, "-I", files[0], "build", *files[1:]),
        ),
        slurmtf=__version__,
    )


def withdraw(building: Building, pending: PendingBuild | None) -> None:
    """Cancel a build job of ours for which no other run waits. If that fails, an unused environment is built, which does no
    harm."""
    shared = read_json(building.store.layout.job(building.task)).get("shared", False)
    if pending is not None and pending.ours and not shared:
        with contextlib.suppress(SlurmtfError):
            building.scheduler.cancel([pending.job])
