"""A sweep becomes a run: its settings and points are written into the run's folder, its elements submitted as an array."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from slurmtf.environments.store import store_of
from slurmtf.environments.tools import SAMPLER
from slurmtf.errors import SlurmtfError, SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator.azureml import overridden
from slurmtf.files import make_private, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.sweep import Point, Settings, SweepLayout
from slurmtf.plan import LaunchPlan
from slurmtf.runs.workspace import workspace_of
from slurmtf.scheduler import Array
from slurmtf.sites import resolve_target
from slurmtf.submit.submission import Submission
from slurmtf.submit.tools import Toolbox
from slurmtf.tune import ask
from slurmtf.tune.run import SweepRun
from slurmtf.tune.samplers import Sampling

if TYPE_CHECKING:
    from slurmtf.runs import Experiment, Run


class Described(Protocol):
    """What a sweep says of itself: see :class:`slurmtf.tune.sweep.Sweep`."""

    @property
    def training(self) -> Estimator: ...
    @property
    def sampling(self) -> Sampling: ...
    @property
    def warnings(self) -> tuple[Finding, ...]: ...
    @property
    def element_count(self) -> int: ...
    @property
    def concurrent(self) -> int: ...
    def drawn(self) -> tuple[int, list[Point]]: ...
    def settings(self, seed: int, now: float) -> Settings: ...


def submit(
    sweep: Described,
    experiment: Experiment,
    tags: Mapping[str, object] | None,
    tell: Callable[[str], None],
    after: Sequence[Run | str] = (),
    **overrides: Any,
) -> SweepRun:
    """Submit a sweep and return its run at once. Raises as ``Experiment.submit`` does."""
    if isinstance(sweep.training.script_params, list) and overrides.get("script_params"):
        what = "can't be merged into the estimator's list of arguments"
        raise SpecError(Finding("bad-arguments", "script_params", what, "have the estimator take a mapping"))
    here = replace(experiment, workspace=overrides.get("source_directory_data_store") or experiment.workspace)
    asker = _asker(sweep, here, tell)
    run = here.submit_shaped(overridden(sweep.training, overrides), tags, tell, partial(shaped, sweep, asker=asker), after)
    return SweepRun(run.folder)


def _asker(sweep: Described, experiment: Experiment, tell: Callable[[str], None]) -> str:
    """Return the Python that has Optuna, for Bayesian sampling, in its tool environment, which is built once.

    Where it can't be built the sweep goes on with points that are drawn, and each of its trials says so.
    """
    if sweep.sampling.kind != "bayesian":
        return ""
    try:
        site = resolve_target(sweep.training.compute_target)
        store = store_of(site, workspace_of(site.storage.workspace, experiment.workspace))
        return Toolbox(site, store, tell).python(SAMPLER)
    except SlurmtfError as err:
        tell(f"Optuna can't be had, so points are drawn at random: {err.findings[0].what}")
        return ""


def shaped(sweep: Described, submission: Submission, asker: str = "") -> Submission:
    """Return the submission of a sweep's training as the sweep's."""
    plan = submission.plan
    job = plan.job._replace(sweep=True)
    return replace(
        submission,
        plan=replace(plan, job=job, warnings=(*plan.warnings, *sweep.warnings)),
        array=Array(sweep.element_count, min(sweep.concurrent, fits_here(plan)) if job.can.one_machine else sweep.concurrent),
        fill=partial(write, sweep, asker),
    )


def fits_here(plan: LaunchPlan) -> int:
    """Return how many trials fit on this machine at once: by their CPUs; those that use GPUs see all of them, and run alone."""
    wanted = plan.resources.tasks_per_node * (plan.resources.cpus_per_task or 1)
    return 1 if plan.resources.gpus_per_node else max(1, len(os.sched_getaffinity(0)) // wanted)


def write(sweep: Described, asker: str, layout: RunLayout) -> None:
    """Write a sweep's settings and points, and what asks Optuna: so many files, however many trials. Raises OSError."""
    files = SweepLayout(layout.folder)
    make_private(files.folder)
    make_private(Path(layout.folder, "trials"))
    seed, points = sweep.drawn()
    space = {name: one.to_list() for name, one in sweep.sampling.parameter_space.items()}
    settings = sweep.settings(seed, time.time())._replace(asker=asker)
    write_json(files.settings, {**settings.to_dict(), "space": space})
    if asker:
        write_private(files.ask, Path(ask.__file__).read_bytes())
    write_private(files.points, "".join(json.dumps(point._asdict()) + "\n" for point in points))
