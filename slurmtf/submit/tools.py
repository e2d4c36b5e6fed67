"""Run slurmtf's own programs in tool environments, which are built once by name, here or in a job, as the profile says."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from slurmtf._version import __version__
from slurmtf.archives import build_tool_archive
from slurmtf.environments.building import Tell
from slurmtf.environments.shell import build_module_commands
from slurmtf.environments.software import FOREIGN_VARIABLES
from slurmtf.environments.store import EnvironmentStore
from slurmtf.environments.tools import build_tool_spec, get_tool
from slurmtf.errors import SoftwareError
from slurmtf.estimator import Estimator
from slurmtf.files import make_private, read_json, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.interchange import JsonView
from slurmtf.job.contract.layout import SCRIPT
from slurmtf.plan import render
from slurmtf.plan.directives import build_builder_directives
from slurmtf.plan.model import Batch, BuildPlan, Shell, Value
from slurmtf.scheduler import Array, JobState, Observation, Scheduler, SubmittedJob, get_scheduler
from slurmtf.sites import Site
from slurmtf.sites.search import list_search_path
from slurmtf.submit.additions import select_unknown
from slurmtf.submit.building import Building, provide
from slurmtf.submit.clients import is_being_submitted
from slurmtf.submit.refused import adapt_refusals

POLL_S = (1.0, 15.0)
"""The first and the longest pause between two queries about a job, in seconds."""
FORGOTTEN = 3
"""The number of consecutive queries without a job after which it counts as ended and forgotten by Slurm."""
PROGRAM, LOG, JOBS = "tool.pyz", "tool.log", "jobs.json"
SETTINGS = ("partition", "account", "time")
"""The settings of :meth:`Toolbox.run_each` that remedies may name."""
Tick = Callable[[], None]
Seen: TypeAlias = "dict[SubmittedJob, Observation | None]"
HERE = Path(__file__)


class ElementEnd(NamedTuple):
    """The log of one element, and how its job ended, unless it completed."""

    log: Path
    how: str = ""


@dataclass(frozen=True)
class Toolbox:
    """Where tool environments are kept, and where their programs run."""

    site: Site
    store: EnvironmentStore
    tell: Tell

    @property
    def scheduler(self) -> Scheduler:
        return get_scheduler(self.site.scheduler, self.site.cluster)

    @property
    def by_job(self) -> bool:
        """Whether such work is done in jobs, by the site's setting for builds."""
        return self.site.environments.build == "job" and self.scheduler.queues

    def provide_python(self, name: str, likely: Sequence[str] = (), more: Sequence[str] = ()) -> str:
        """Return the Python of a tool environment with ``more`` packages, building it first if necessary. Raises
        SoftwareError."""
        spec = build_tool_spec(get_tool(name), self.site, likely, more)
        with adapt_refusals(self.site.name):
            pending = provide(Building(spec, self.store, self.site, _build_empty_estimator(self.site), {}), self.tell)
        if pending:
            self.tell(f"waiting for build job {pending.job.ref.job_id}")
            wait_for_end([pending.job], self.scheduler, tell=self.tell)
        if not self.store.record(spec.name):
            failure = self.store.failure(spec.name)
            what = f"could not be built: {failure.what}" if failure else "could not be built"
            remedy = f"the log: {self.store.layout.log(spec.name)}"
            raise SoftwareError(Finding("build-failed", name, what, remedy))
        return str(self.store.folder(spec.name) / "bin" / "python")

    def run(self, python: str, words: Sequence[str], folder: Path, name: str) -> int:
        """Run our program in a tool environment, here or in a job, and return its exit code.

        Its log is ``tool.log`` in ``folder``, a private folder that the nodes see. Raises SlurmError if Slurm does not answer.
        """
        command = (python, "-I", put_program(folder), *words)
        if self.by_job:
            own = {"chdir": str(folder), "output": str(folder / LOG)}
            with adapt_refusals(self.site.name):
                seen = self._run_in_job(command, folder, name, own, None, _do_nothing)
            return 0 if all(end and end.state is JobState.COMPLETED for end in seen.values()) else 1
        return _run_here([command], folder, _do_nothing)

    def run_each(
        self, python: str, words: Sequence[str], folder: Path, name: str, elements: int, asked: JsonView, tick: Tick
    ) -> list[ElementEnd]:
        """Run our program on each of several elements, and return how each ended.

        On a cluster, they are the elements of an array, and the program's argument is the number of its job's first element;
        here, :func:`split_elements` determines the number of processes. ``asked`` are flags of sbatch; ``tick`` is called
        meanwhile.
        Raises SlurmError if Slurm does not answer.
        """
        command = (python, "-I", put_program(folder), *words)
        if not self.scheduler.queues:
            parts = split_elements(elements, asked.get("cpus-per-task"), len(os.sched_getaffinity(0)))
            _run_here([(*command, *part) for part in parts], folder, tick)
            return [ElementEnd(folder / LOG)] * elements
        own = {"chdir": str(folder), "output": str(folder / f"{name}-%A_%a.log"), **asked}
        with adapt_refusals(self.site.name, asked, SETTINGS):
            seen = self._run_in_job((*command, "array"), folder, name, own, elements, tick)
        return [
            ElementEnd(folder / f"{name}-{one.ref.job_id}_{one.ref.element}.log", describe_end(end))
            for one, end in seen.items()
        ]

    def find_earlier(self, folder: Path) -> list[SubmittedJob]:
        """Return the jobs that were last submitted for a folder and have not ended. Raises SlurmError if Slurm does not
        answer."""
        noted = read_json(folder / JOBS)
        known = [SubmittedJob.from_dict(one) for one in noted.get("jobs", ())]
        if noted.get("began") and self.scheduler.queues:
            found = self.scheduler.find({str(folder): float(noted["began"])}).get(str(folder), [])
            known += select_unknown(found, known)
        seen = self.scheduler.observe(known) if known and self.scheduler.queues else {}
        return [job for job in known if any(one in seen and not seen[one].state.final for one in job.each)]

    def wait_for_earlier(self, folder: Path) -> None:
        """Wait for the jobs last submitted for a folder by a process that did not see them end. Raises SlurmError if Slurm does
        not answer."""
        while is_being_submitted(str(folder / SCRIPT)):
            time.sleep(POLL_S[0])
        left = self.find_earlier(folder)
        if left:
            numbers = ", ".join(job.ref.job_id for job in left)
            self.tell(f"waiting for job {numbers}, which an earlier command has submitted ...")
            wait_for_end(left, self.scheduler, tell=self.tell)

    def _run_in_job(
        self, command: Sequence[str], folder: Path, name: str, own: JsonView, elements: int | None, tick: Tick
    ) -> Seen:
        """Run a command in jobs, and return each of their elements, in order, with its last known state."""
        directives = build_builder_directives(_build_empty_estimator(self.site), self.site, name, own)
        script = write_script(self.site, name, directives, command, folder)
        noted: list[SubmittedJob] = []
        began = time.time()

        def note(job: SubmittedJob) -> None:
            noted.append(job)
            _note_jobs(folder, noted, began)

        array = None if elements is None else Array(elements)
        _note_jobs(folder, (), began)
        jobs = self.scheduler.submit(script, folder, os.environ, array, why=name, note=note)
        _note_jobs(folder, jobs)
        self.tell(f"submitted job {', '.join(job.ref.job_id for job in jobs)} ({name}); logs: {folder}")
        try:
            return wait_for_end(jobs, self.scheduler, tick, self.tell)
        except KeyboardInterrupt:
            self.scheduler.cancel(jobs)
            raise


def _note_jobs(folder: Path, jobs: Iterable[SubmittedJob], began: float | None = None) -> None:
    """Record the jobs of a folder; ``began``: since when more are being submitted, if they are."""
    write_json(folder / JOBS, {"jobs": [one.to_dict() for one in jobs], "began": began})


def split_elements(elements: int, cpus: int | None, of_machine: int) -> list[tuple[str, ...]]:
    """Return the additional arguments of each process, which does a share of the elements, on a machine with ``of_machine``
    CPUs.

    With ``cpus`` per process, as many processes as fit run at once, each with the arguments ``part NUMBER PROCESSES CPUS``;
    otherwise, one process does all elements.
    """
    if not cpus:
        return [()]
    at_once = max(1, min(elements, of_machine // cpus))
    return [("part", str(number), str(at_once), str(cpus)) for number in range(at_once)]


def _run_here(commands: Sequence[Sequence[str]], folder: Path, tick: Tick) -> int:
    """Run commands side by side on this machine, and return the highest exit code."""
    running: list[subprocess.Popen[bytes]] = []
    with open(os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        try:
            for command in commands:
                running.append(
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=build_environment())
                )
            while any(process.poll() is None for process in running):
                tick()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    next(process for process in running if process.returncode is None).wait(POLL_S[0])
        except BaseException:
            for process in running:
                process.kill()
                process.wait()
            raise
    codes: list[int] = [abs(process.returncode) for process in running]
    return max(codes)


def _do_nothing() -> None:
    return


def put_program(folder: Path) -> str:
    """Put our program into a folder, and return its path."""
    make_private(folder)
    write_private(folder / PROGRAM, build_tool_archive())
    return str(folder / PROGRAM)


def build_environment() -> dict[str, str]:
    """Return this process's environment without variables of other software."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}


def write_script(site: Site, name: str, directives: Sequence[tuple[str, Value]], command: Sequence[str], folder: Path) -> Path:
    """Write the batch script of a job that runs our program, and return its path."""
    of_site = site.environment
    shell = Shell(
        of_site.shebang, (*of_site.unset, *FOREIGN_VARIABLES), tuple(of_site.prologue), build_module_commands(site, ())
    )
    batch = Batch("tool.sh.j2", tuple(directives), shell, tuple(command))
    plan = BuildPlan(name, "", site.name, batch, __version__)
    script = folder / SCRIPT
    write_private(script, render(plan, list_search_path("templates", var.SLURMTF_TEMPLATE_PATH)))
    return script


def wait_for_end(
    jobs: Sequence[SubmittedJob], scheduler: Scheduler, tick: Tick = _do_nothing, tell: Tell | None = None
) -> Seen:
    """Wait until jobs have ended, arrays with all their elements, and return how they ended.

    The queue is queried less and less often. ``tell`` is given the reasons why they wait, each once. A job that Slurm has
    forgotten has ended in an unknown way. Raises SlurmError if Slurm does not answer.
    """
    every = [one for job in jobs for one in job.each]
    pause, longest = POLL_S
    missed, reported = 0, {""}
    while True:
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
        tick()
        seen = scheduler.observe(jobs)
        waits = format_wait_reasons(seen.values())
        if tell and waits not in reported:
            tell(waits)
            reported.add(waits)
        states = {seen[one].state if one in seen else JobState.LOST for one in every}
        missed = missed + 1 if JobState.LOST in states else 0
        if all(state.final for state in states) and (JobState.LOST not in states or missed >= FORGOTTEN):
            return {one: seen.get(one) for one in every}


def describe_end(end: Observation | None) -> str:
    """Return how a job ended that did not complete; empty if it did, or if that is not known."""
    if end is None or end.state is JobState.COMPLETED:
        return ""
    code = f", signal {end.signal}" if end.signal else f", exit code {end.exit_code}" if end.exit_code else ""
    return f"{end.state.value}{code}"


def format_wait_reasons(seen: Iterable[Observation]) -> str:
    """Return why jobs wait; empty if one has started, or no reason is known yet."""
    every = list(seen)
    reasons = sorted({one.reason for one in every} - {"", "None"})
    if not reasons or any(one.state is not JobState.PENDING for one in every):
        return ""
    return f"job {', '.join(sorted({one.ref.job_id for one in every}))} waits in the queue: {', '.join(reasons)} ..."


def _build_empty_estimator(site: Site) -> Estimator:
    """Return an estimator that requests nothing: our own jobs get the site's settings for builds."""
    return Estimator(HERE.parent, entry_script=HERE.name, compute_target=site)
