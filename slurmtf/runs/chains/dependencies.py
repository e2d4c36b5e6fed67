"""Let runs follow others: determine the dependencies for Slurm, and the runs that can't be waited for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from slurmtf.errors import suggest
from slurmtf.findings import Finding
from slurmtf.job.contract.schedulers import CAPABILITIES
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.scheduler import SubmittedJob

CONDITIONS = {"ok": "afterok", "any": "afterany", "notok": "afternotok"}
"""How the earlier run must end, and Slurm's name for that (sbatch(1), --dependency)."""


@dataclass(frozen=True)
class EarlierRun:
    """A run that must end before another one starts. ``job`` is its current job; None while it has none."""

    run_id: str
    condition: str
    state: RunState
    job: SubmittedJob | None
    folder: str = ""

    @property
    def spelled(self) -> str:
        """How a user writes it: ``RUN`` or ``RUN:any``."""
        return self.run_id if self.condition == "ok" else f"{self.run_id}:{self.condition}"

    @property
    def awaited(self) -> bool:
        """Whether Slurm must wait for its job."""
        return self.job is not None and not self.state.status.final


def parse(text: str) -> tuple[str, str]:
    """Parse ``RUN[:ok|any|notok]`` into the run and the condition."""
    name, colon, condition = text.rpartition(":")
    return (name, condition) if colon else (text, "ok")


def build_dependencies(earlier: Iterable[EarlierRun], scheduler: str, cluster: str | None) -> tuple[list[str], list[Finding]]:
    """Return the dependencies for Slurm, and the findings about them. Pure.

    ``scheduler`` and ``cluster`` are those of the run that follows. A run that has already ended as required adds none.
    """
    words: list[str] = []
    findings: list[Finding] = []
    for one in earlier:
        word = _build_dependency(one, scheduler, cluster)
        if isinstance(word, Finding):
            findings.append(word)
        elif word:
            words.append(word)
    return words, findings


def _build_dependency(earlier: EarlierRun, scheduler: str, cluster: str | None) -> str | Finding:
    condition = CONDITIONS.get(earlier.condition)
    if condition is None:
        remedy = suggest(earlier.condition, CONDITIONS) or f"use one of {', '.join(CONDITIONS)}"
        return Finding("bad-condition", "after", f"{earlier.condition!r} is not a condition for {earlier.run_id}", remedy)
    if earlier.state.status.final:
        return "" if _is_satisfied(earlier) else _describe_never_starting(earlier)
    if earlier.job is None:
        return Finding("no-job", "after", f"{earlier.run_id} has no job to wait for", "submit it first")
    same = (earlier.job.scheduler, earlier.job.ref.cluster) == (scheduler, cluster)
    if not same or CAPABILITIES[scheduler].one_machine:
        what = f"{earlier.run_id} runs elsewhere: nobody here can wait for its job"
        return Finding(
            "other-scheduler", "after", what, f"wait for it first: slurmtf wait {shlex.quote(earlier.run_id)} && ..."
        )
    return f"{condition}:{earlier.job.ref.name}"


def _is_satisfied(earlier: EarlierRun) -> bool:
    succeeded = earlier.state.status is RunStatus.COMPLETED
    return earlier.condition == "any" or succeeded == (earlier.condition == "ok")


def _describe_never_starting(earlier: EarlierRun) -> Finding:
    what = f"{earlier.run_id} is {earlier.state.status.value} already: a run that follows it would never start"
    other = "notok" if earlier.condition == "ok" else "ok"
    return Finding("never-starts", "after", what, f"use {earlier.run_id}:{other} or {earlier.run_id}:any, or another run")


def combine(words: Sequence[str], given: object) -> dict[str, str]:
    """Return the flags that make Slurm wait, including a dependency set by the user (``given``); empty without ``words``."""
    others = [str(given)] if given else []
    return {"dependency": ",".join([*words, *others]), "kill-on-invalid-dep": "yes"} if words else {}


def wait_until_settled(dependency: str, jobs: Callable[[], Mapping[str, str]], tell: Callable[[str], None]) -> str:
    """Make a submitted job wait for the current jobs of its earlier runs; return the final dependency.

    ``dependency`` is what it waits for now; ``jobs`` returns a mapping of the jobs in it to the runs' current jobs; ``tell``
    passes a dependency to Slurm. A run that continues in another job records that first, then looks for jobs that wait for the
    old one, so one of the two sees the other in any order. ``jobs`` is called until nothing changes, because the last
    dependency may be outdated by then.
    """
    first = dependency
    while (now := rename(first, jobs())) != dependency:
        tell(now)
        dependency = now
    return dependency


def rename(dependency: str, jobs: Mapping[str, str]) -> str:
    """Return a dependency with the jobs renamed; ``jobs`` maps old names to new ones."""
    return re.sub(r"(?<=:)[0-9]+(?:_[0-9]+)?", lambda found: jobs.get(found.group(), found.group()), dependency)
