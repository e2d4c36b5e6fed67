"""What a run needs is made before it: here, or by a job of its own, for which the run's job waits."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slurmtf import __version__
from slurmtf.builder.claim import Claim
from slurmtf.environments.building import ANOTHER_STORE, Tell, build, fetch, program, write_spec
from slurmtf.environments.packing import Pack
from slurmtf.environments.recipe import Recipe
from slurmtf.environments.shell import module_lines
from slurmtf.environments.store import EnvironmentStore
from slurmtf.errors import Problem, SlurmError, SoftwareError
from slurmtf.estimator import Estimator
from slurmtf.files import read_json, write_json, write_private, writing
from slurmtf.plan import render
from slurmtf.plan.directives import build_directives
from slurmtf.plan.model import BuildPlan, Shell
from slurmtf.sites import Site
from slurmtf.sites.search import search_path
from slurmtf.slurm import SlurmClient
from slurmtf.submit.refusal import refusal

SUBMIT_WAIT_S = 120


@dataclass(frozen=True)
class Building:
    """How an environment is to be made: of what, where, for whom."""

    recipe: Recipe
    store: EnvironmentStore
    site: Site
    estimator: Estimator
    secrets: Mapping[str, str]
    pack: Pack | None = None

    @property
    def by_job(self) -> bool:
        """Whether it is made by a job of its own. A secret is never handed to one: it would stand in Slurm's books."""
        where = self.estimator.environment.build or self.site.environments.build
        return where == "job" and not self.secrets and self.site.scheduler == "slurm"

    def is_there(self) -> bool:
        """Tell whether it has been made; it is used now."""
        found = bool(self.store.record(self.recipe.name))
        if found:
            self.store.used(self.recipe.name)
        return found


@dataclass(frozen=True)
class Making:
    """The job that makes an environment, for which to wait; ``ours``: it was submitted just now."""

    job_id: str
    ours: bool


def provide(building: Building, tell: Tell, lock: Iterable[str] = ()) -> Making | None:
    """Have an environment made, unless it is there. Returns the job that makes it; None when it is there now.

    Raises SoftwareError when it can't be made, RefusedError or SlurmError when the job can't be had.
    """
    recipe, store = building.recipe, building.store
    if building.is_there():
        return None
    if not building.by_job:
        build(recipe, store, building.site, tell, lock, building.secrets)
        return None
    return _job(building, tell, lock)


def _job(building: Building, tell: Tell, lock: Iterable[str]) -> Making:
    """Return the job that makes the environment: the one that is queued already, else a new one."""
    store, name = building.store, building.recipe.name
    with writing(store.root, ANOTHER_STORE):
        store.layout.prepare()
    claim = Claim(store.layout.claim(f"{name}.submit"))
    deadline = time.monotonic() + SUBMIT_WAIT_S
    while not claim.take():
        if time.monotonic() > deadline:
            raise SoftwareError(Problem(name, "somebody else has been submitting it for too long", "try again"))
        time.sleep(0.2)
    try:
        queued = _queued(building)
        return Making(queued, ours=False) if queued else Making(_submitted(building, tell, lock), ours=True)
    finally:
        claim.release()


def _queued(building: Building) -> str | None:
    known = read_json(building.store.layout.job(building.recipe.name)).get("job_id")
    if known is None:
        return None
    job = SlurmClient(building.site.cluster).jobs([known]).get(known)
    return known if job is not None and not job.state.final else None


def _submitted(building: Building, tell: Tell, lock: Iterable[str]) -> str:
    recipe, store, site = building.recipe, building.store, building.site
    wheels = ""
    if recipe.kind == "pip" and site.network.internet is False:
        wheels = fetch(recipe, store, site, tell)
    plan = plan_of(building, program(store), write_spec(recipe, store, lock, wheels, building.pack))
    script = render(plan, search_path("templates", "SLURMTF_TEMPLATE_PATH"))
    path = Path(store.layout.jobs, f"{recipe.name}.sh")
    write_private(path, script)
    Path(store.layout.failure(recipe.name)).unlink(missing_ok=True)
    try:
        job_id = SlurmClient(site.cluster).submit(str(path), [flag for flag, _ in plan.directives])
    except subprocess.CalledProcessError as err:
        raise refusal(err.stderr, script) from None
    write_json(store.layout.job(recipe.name), {"job_id": job_id, "cluster": site.cluster})
    tell(f"job {job_id} makes {recipe.name}; its log: {store.layout.log(recipe.name)}")
    return job_id


def plan_of(building: Building, builder: str = "builder.pyz", spec: str = "spec.json") -> BuildPlan:
    """Return the plan of the job that makes an environment."""
    recipe, site, layout = building.recipe, building.site, building.store.layout
    places = {"chdir": layout.root, "output": f"{layout.logs}/{recipe.name}.job"}
    shell = Shell(
        shebang=site.environment.shebang,
        unset=tuple(site.environment.unset),
        prologue=tuple(site.environment.prologue),
        modules=module_lines(site, recipe.modules),
    )
    return BuildPlan(
        name=recipe.name,
        summary=recipe.summary,
        site=site.name,
        directives=tuple(build_directives(building.estimator, site, recipe.name, places)),
        shell=shell,
        command=("python3" if recipe.kind == "conda" else recipe.python, "-I", builder, "build", spec),
        slurmtf=__version__,
    )


def withdraw(building: Building, making: Making | None) -> None:
    """End a job of ours for which nothing waits. When that fails, the environment that it makes does no harm."""
    if making is not None and making.ours:
        with contextlib.suppress(SlurmError):
            SlurmClient(building.site.cluster).cancel([making.job_id])
