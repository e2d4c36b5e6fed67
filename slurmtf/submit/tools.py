"""Programs of slurmtf's own in their tool environments: built once by name, run here or, as the site says, in a job."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurmtf._version import __version__
from slurmtf.archives import tool_archive
from slurmtf.environments.building import Tell
from slurmtf.environments.shell import module_lines
from slurmtf.environments.software import OF_OTHER_ENVIRONMENTS
from slurmtf.environments.store import EnvironmentStore
from slurmtf.environments.tools import spec_of, tool
from slurmtf.errors import SlurmtfError, SoftwareError
from slurmtf.estimator import Estimator
from slurmtf.files import make_private, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.plan import render
from slurmtf.plan.directives import build_directives
from slurmtf.plan.model import BuildPlan, Shell
from slurmtf.scheduler import JobState, Scheduler, SubmittedJob, scheduler_of
from slurmtf.sites import Site
from slurmtf.sites.search import search_path
from slurmtf.submit.building import Building, provide

POLL_S = (1.0, 15.0)
"""The first and the longest pause between two looks at a job."""
PROGRAM = "tool.pyz"
HERE = Path(__file__)


@dataclass(frozen=True)
class Toolbox:
    """Where tool environments are, and where their programs run."""

    site: Site
    store: EnvironmentStore
    tell: Tell

    @property
    def scheduler(self) -> Scheduler:
        return scheduler_of(self.site.scheduler, self.site.cluster)

    @property
    def by_job(self) -> bool:
        """Whether the site wants work of this kind in jobs: what holds for builds."""
        return self.site.environments.build == "job" and self.scheduler.queues

    def python(self, name: str, likely: Sequence[str] = ()) -> str:
        """Return the Python of a tool environment, which is built first unless it is there. Raises SoftwareError."""
        spec = spec_of(tool(name), self.site, likely)
        pending = provide(Building(spec, self.store, self.site, _nobody(self.site), {}), self.tell)
        if pending:
            self.tell(f"waiting for build job {pending.job.ref.job_id}")
            ended(pending.job, self.scheduler)
        if not self.store.record(spec.name):
            failure = self.store.failure(spec.name)
            what = f"could not be built: {failure.what}" if failure else "could not be built"
            remedy = f"the log: {self.store.layout.log(spec.name)}"
            raise SoftwareError(Finding("build-failed", name, what, remedy))
        return str(self.store.folder(spec.name) / "bin" / "python")

    def run(self, python: str, words: Sequence[str], folder: Path, name: str) -> int:
        """Run our program in a tool environment, here or in a job, and return its exit code; its log is ``tool.log`` in
        ``folder``, a private folder that the nodes see.

        Raises SlurmError when Slurm does not answer.
        """
        command = (python, "-I", put_program(folder), *words)
        if self.by_job:
            return self._by_job(command, folder, name)
        with open(os.open(folder / "tool.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, env=environ()
            ).returncode

    def _by_job(self, command: Sequence[str], folder: Path, name: str) -> int:
        own = {"chdir": str(folder), "output": str(folder / "tool.log")}
        directives = build_directives(_nobody(self.site), self.site, name, own)
        script = tool_script(self.site, name, directives, command, folder)
        noted: list[SubmittedJob] = []
        (job,) = self.scheduler.submit(script, folder, os.environ, why=name, note=noted.append)
        self.tell(f"submitted job {job.ref.job_id} ({name}); its log: {folder / 'tool.log'}")
        try:
            return 0 if ended(job, self.scheduler) is JobState.COMPLETED else 1
        except KeyboardInterrupt:
            self.scheduler.cancel([job])
            raise


def put_program(folder: Path) -> str:
    """Put our program into a folder, and return its path."""
    make_private(folder)
    write_private(folder / PROGRAM, tool_archive())
    return str(folder / PROGRAM)


def environ() -> dict[str, str]:
    """Return this process's environment without what belongs to other software."""
    return {name: value for name, value in os.environ.items() if name not in OF_OTHER_ENVIRONMENTS}


def tool_script(site: Site, name: str, directives: Sequence[tuple[str, object]], command: Sequence[str], folder: Path) -> Path:
    """Write the batch script of a job that runs our program, and return its path."""
    of_site = site.environment
    shell = Shell(of_site.shebang, (*of_site.unset, *OF_OTHER_ENVIRONMENTS), tuple(of_site.prologue), module_lines(site, ()))
    plan = BuildPlan(name, "", site.name, tuple(directives), shell, tuple(command), __version__, "tool.sh.j2")  # type: ignore[arg-type]
    script = folder / "job.sh"
    write_private(script, render(plan, search_path("templates", var.SLURMTF_TEMPLATE_PATH)))
    return script


def ended(job: SubmittedJob, scheduler: Scheduler) -> JobState:
    """Wait until a job has ended and return how; the queue is asked less and less often. Raises SlurmError."""
    pause, longest = POLL_S
    missed = 0
    while missed < 3:
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
        seen = scheduler.observe([job]).get(job)
        if seen and seen.state.final:
            return seen.state
        missed = 0 if seen else missed + 1
    raise SlurmtfError(Finding("job-lost", job.ref.name, "Slurm no longer knows the job", "try again"))


def _nobody(site: Site) -> Estimator:
    """Return an estimator that asks for nothing: a job of our own has what the site gives to builds."""
    return Estimator(HERE.parent, entry_script=HERE.name, compute_target=site)
