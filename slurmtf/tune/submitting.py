"""Turn a sweep into a run: write its settings and points into the run's folder, and submit its elements as an array."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurmtf.environments.store import resolve_store
from slurmtf.environments.tools import SAMPLER
from slurmtf.errors import SlurmtfError, SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator.azureml import override
from slurmtf.files import make_private, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import LaunchOrder
from slurmtf.job.contract.sweep.records import TRIALS, SweepLayout
from slurmtf.plan import LaunchPlan
from slurmtf.runs.workspaces.workspace import resolve_workspace
from slurmtf.scheduler import Array
from slurmtf.sites import resolve_target
from slurmtf.submit.submission import Submission
from slurmtf.submit.tools import Toolbox
from slurmtf.tune import ask
from slurmtf.tune.described import Described
from slurmtf.tune.earlier import Start, resolve_start
from slurmtf.tune.launches import list_combinations, plan_launches
from slurmtf.tune.run import SweepRun

if TYPE_CHECKING:
    from slurmtf.experiments import Experiment, Run

NO_LAUNCHES: Mapping[str, LaunchOrder] = {}


def submit(
    sweep: Described,
    experiment: Experiment,
    tags: Mapping[str, object] | None,
    tell: Callable[[str], None],
    after: Sequence[Run | str] = (),
    **overrides: Any,
) -> SweepRun:
    """Submit a sweep and return its run at once. Raises as ``Experiment.submit`` does."""
    if isinstance(sweep.trial_estimator.script_params, list) and overrides.get("script_params"):
        what = "can't be merged into the estimator's list of arguments"
        raise SpecError(Finding("bad-arguments", "script_params", what, "have the estimator take a mapping"))
    here = replace(experiment, workspace=overrides.get("source_directory_data_store") or experiment.workspace)
    start = resolve_start(sweep, here.workspace)
    asker = _provide_asker(sweep, here, tell)
    training = avoid_job_steps(sweep, override(sweep.trial_estimator, overrides))
    settings = list_combinations(sweep.sampling.parameter_space, start.points)

    def build_launches(base: LaunchPlan) -> dict[str, LaunchOrder]:
        return plan_launches(settings, training, base, lambda one: here.plan(one, base.run.run_id)[0])

    def shape(submission: Submission) -> Submission:
        return shape_submission(sweep, start, submission, asker, build_launches(submission.plan))

    if settings:  # reported before anything is built
        build_launches(here.plan(training)[0])
    run = here.submit_shaped(training, tags, tell, shape, after)
    return SweepRun(run.folder)


def avoid_job_steps(sweep: Described, estimator: Estimator) -> Estimator:
    """Return the estimator so that an element starts its trials on one node itself, unless a launcher has been named.

    A job step for each trial costs Slurm's controller and accounting more than the sweep's job does, no step starts while the
    controller is away, and steps can't share an allocation.
    """
    launcher = resolve_target(estimator.compute_target).launcher
    if sweep.per_element > 1:
        own = estimator.launcher or ("none" if estimator.distribution is None else "spawn")
        return replace(estimator, launcher=own)
    single = estimator.node_count == 1 and estimator.distribution is None
    named = estimator.launcher or launcher.single or estimator.srun or "none" in launcher.forbidden
    return replace(estimator, launcher="none") if single and not named else estimator


def _provide_asker(sweep: Described, experiment: Experiment, tell: Callable[[str], None]) -> str:
    """Return the Python of the tool environment with Optuna, for Bayesian sampling, building it first if necessary.

    If it can't be built, the sweep continues with randomly drawn points, and each of its trials says so.
    """
    if sweep.sampling.kind != "bayesian":
        return ""
    try:
        site = resolve_target(sweep.trial_estimator.compute_target)
        store = resolve_store(site, resolve_workspace(site.storage.workspace, experiment.workspace))
        return Toolbox(site, store, tell).provide_python(SAMPLER)
    except SlurmtfError as err:
        tell(f"Optuna is not available, so points are drawn at random: {err.findings[0].what}")
        return ""


def shape_submission(
    sweep: Described, start: Start, submission: Submission, asker: str = "", launches: Mapping[str, LaunchOrder] = NO_LAUNCHES
) -> Submission:
    """Turn the submission of a sweep's training job into the submission of the sweep."""
    plan = submission.plan
    job = plan.job._replace(sweep=True)
    if sweep.per_element > 1 and job.uses_disks:
        what = "trials side by side would share what is brought to the node's disk"
        raise SpecError(Finding("slots-on-disk", "trials_per_element", what, "leave it out, or mount the inputs"))
    at_once = min(sweep.elements_at_once, count_fitting_elements(plan)) if job.can.one_machine else sweep.elements_at_once
    swept = replace(plan, job=job, warnings=(*plan.warnings, *sweep.warnings))
    changed = replace(submission, plan=swept, array=Array(sweep.element_count, at_once))
    return changed.with_more(partial(write, sweep, start, asker, launches))


def count_fitting_elements(plan: LaunchPlan) -> int:
    """Return how many elements fit on this machine at once, by their CPUs. One with GPUs sees all of them, so it runs alone."""
    wanted = plan.resources.tasks_per_node * (plan.resources.cpus_per_task or 1)
    return 1 if plan.resources.gpus_per_node else max(1, len(os.sched_getaffinity(0)) // wanted)


def write(sweep: Described, start: Start, asker: str, launches: Mapping[str, LaunchOrder], layout: RunLayout) -> None:
    """Write a sweep's settings and points, what it starts from, and the program that asks Optuna. The number of files does not
    depend on the number of trials. Raises OSError."""
    files = SweepLayout(layout.folder)
    make_private(files.folder)
    make_private(Path(layout.folder, TRIALS))
    seed, points = sweep.draw_points()
    space = {name: one.to_list() for name, one in sweep.sampling.parameter_space.items()}
    settings = sweep.build_settings(seed, time.time())._replace(asker=asker)
    write_json(files.settings, {**settings.to_dict(), "space": space, "warm_start_from": start.sweeps})
    if launches:
        write_json(files.launches, {key: order.to_dict() for key, order in launches.items()})
    if start.trials:
        write_private(files.earlier, format_json_lines(start.trials))
    if asker:
        write_private(files.ask, Path(ask.__file__).read_bytes())
    write_private(files.points, format_json_lines([*start.points, *points]))


def format_json_lines(facts: Iterable[Any]) -> str:
    """Return named tuples as lines of JSON."""
    return "".join(json.dumps(one._asdict()) + "\n" for one in facts)
