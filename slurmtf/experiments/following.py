"""Make runs follow others: at submission, and once more after it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slurmtf.collecting import Findings
from slurmtf.errors import SlurmError, SlurmtfError, SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator.quantities import normalize_flag
from slurmtf.experiments.run import Run
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan import LaunchPlan
from slurmtf.runs.chains.dependencies import EarlierRun, build_dependencies, combine, parse
from slurmtf.runs.chains.second_look import FollowedRuns
from slurmtf.runs.states.records import read_records
from slurmtf.scheduler import get_scheduler
from slurmtf.sites import resolve_target

DEPENDENCY = "dependency"


def follow(
    estimator: Estimator, after: Sequence[Run | str], workspace: str | Path | None, findings: Findings
) -> tuple[Estimator, tuple[EarlierRun, ...]]:
    """Return the estimator with the dependency on the runs, and these runs."""
    earlier = [found for one in after if (found := findings.attempt(_find_earlier, one, workspace))]
    follower = findings.attempt(_follow, estimator, earlier) if earlier else None
    return follower or estimator, tuple(earlier)


def _find_earlier(given: Run | str, workspace: str | Path | None) -> EarlierRun:
    from slurmtf.runs.status import find_current_job  # noqa: PLC0415 - here and below: only for a run that follows another

    name, condition = (given.id, "ok") if isinstance(given, Run) else parse(given)
    run = given if isinstance(given, Run) else Run.find(name, workspace)
    return EarlierRun(run.id, condition, run.state, find_current_job(run.layout), run.layout.folder)


def _follow(estimator: Estimator, earlier: Sequence[EarlierRun]) -> Estimator:
    """Return the estimator with the dependency on earlier runs. Raises SpecError if they can't be waited for."""
    site = resolve_target(estimator.compute_target)
    words, findings = build_dependencies(earlier, site.scheduler, site.cluster)
    if findings:
        raise SpecError(*findings)
    own = {flag: value for flag, value in (estimator.sbatch or {}).items() if normalize_flag(flag) != DEPENDENCY}
    given = next((value for flag, value in (estimator.sbatch or {}).items() if flag not in own), None)
    follower = replace(estimator, sbatch={**own, **combine(words, given)}) if words else estimator
    follower.note_sources(estimator.sources)
    return follower


def read_followed(plan: LaunchPlan, earlier: Sequence[EarlierRun]) -> FollowedRuns | None:
    """Return what a run waits for when it is submitted; None if it waits for nothing."""
    folders = {one.job.ref.name: one.folder for one in earlier if one.job and one.awaited}
    dependency = next((str(value) for flag, value in plan.batch.directives if normalize_flag(flag) == DEPENDENCY), "")
    return FollowedRuns(dependency, folders) if folders else None


def update_dependency(waits: FollowedRuns, plan: LaunchPlan, layout: RunLayout, earlier: Sequence[EarlierRun]) -> None:
    """Make a submitted run wait for the current jobs of the runs that it follows.

    If Slurm no longer allows that or does not answer, cancels the run's job and raises SlurmError.
    """
    from slurmtf.runs.status import find_current_job  # noqa: PLC0415

    try:
        waits.look_again(layout, find_current_job)
    except SlurmError as err:
        with contextlib.suppress(SlurmtfError):
            get_scheduler(plan.job.scheduler, plan.cluster).cancel(read_records(layout).jobs)
        names = ", ".join(one.run_id for one in earlier)
        what = f"{names} continued in another job just as {Path(layout.folder).name} was submitted, and can't be followed there"
        raise SlurmError(*err.findings, Finding("not-followed", "after", what, "it was canceled: submit it again")) from None
