"""Search over settings of the estimator: which can change within an allocation, and how trials are launched with them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace

from slurmtf.collecting import Findings
from slurmtf.documents import GivenSettings
from slurmtf.errors import InputError, SpecError, suggest
from slurmtf.estimator import Estimator
from slurmtf.estimator.distribution import KINDS
from slurmtf.estimator.document import list_parameters
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonView
from slurmtf.job.contract.plan import LaunchOrder
from slurmtf.job.contract.sweep.records import SETTINGS, Point, build_key, select_settings
from slurmtf.plan import LaunchPlan
from slurmtf.tune.spaces import Expression

COUNTS = ("process_count_per_node", "worker_count", "parameter_server_count")
CHANGES = ("entry_script", "distributed_backend", *COUNTS, "cpus_per_task")
"""The settings that can change within an allocation, because they only affect the launch."""
ARGUMENTS = {
    "script_params": "write each argument as a parameter of its own: '--learning-rate'",
    "environment_variables": "write each variable as a parameter of its own: 'environment_variables.NAME'",
}
ENVIRONMENT_SETTINGS = (
    "use_docker", "custom_docker_image", "image_registry_details", "shm_size", "user_managed", "conda_packages", "pip_packages",
    "conda_dependencies_file", "pip_requirements_file", "environment_definition", "framework_version", "legacy_keras",
)  # fmt: skip
BROUGHT = ("source_directory", "inputs", "stage")
RUN_SETTINGS = (
    "source_directory_data_store", "resume_from", "azureml", "restarts", "notice", "stall", "primary_metric", "autolog",
    "silence", "launcher", "template", "srun", "distributed_training",
)  # fmt: skip
SHAPE_FLAGS = ("ntasks-per-node", "cpus-per-task", "distribution")
"""Flags of sbatch for what a launch may divide differently."""
MOST_LAUNCHES = 64
"""The most combinations of settings, each of which is planned before the sweep is submitted."""


def check_setting(name: str, expression: Expression, where: str) -> Iterable[Finding]:
    """Yield what is wrong with a parameter named ``estimator.NAME``."""
    setting = name[len(SETTINGS) :]
    if setting not in CHANGES:
        yield Finding("setting-stays", where, f"{setting!r} {_describe_reason(setting)}", _describe_remedy(setting))
    elif expression.name != "choice":
        what = f"is a setting of the estimator, and {expression.name} lists no values to check before the sweep is submitted"
        yield Finding("setting-not-listed", where, what, "use choice")


def _describe_reason(setting: str) -> str:
    """Return why a setting can't differ between trials."""
    if setting in ARGUMENTS:
        return "is not a single value"
    if setting in ENVIRONMENT_SETTINGS:
        return "can't change from trial to trial: all of them run with one environment"
    if setting in BROUGHT:
        return "can't change from trial to trial: source and data are brought to the job once"
    if setting in RUN_SETTINGS:
        return "can't change from trial to trial: it is the whole run's"
    if setting in list_parameters():
        return "can't change from trial to trial: Slurm is asked for the allocation once, for all of them"
    return "is not a setting of the estimator"


def _describe_remedy(setting: str) -> str:
    if setting in ARGUMENTS:
        return ARGUMENTS[setting]
    if setting in list_parameters():
        return f"submit a sweep for each value, or search over {', '.join(CHANGES)}"
    return suggest(setting, CHANGES) or f"use one of {', '.join(CHANGES)}"


def list_combinations(space: Mapping[str, Expression], points: Iterable[Point]) -> list[GivenSettings]:
    """Return the settings that trials have: all combinations of the space, and those of ``points``. The list is empty for a
    sweep over arguments and variables alone. Raises SpecError if there are too many."""
    listed = {name: one.args for name, one in space.items() if name.startswith(SETTINGS)}
    count = math.prod(map(len, listed.values()))
    if count > MOST_LAUNCHES:
        what = f"{count} combinations of {', '.join(listed)} are above {MOST_LAUNCHES}"
        raise SpecError(Finding("too-many-launches", "parameter_space", what, "list fewer values"))
    cells = itertools.product(*listed.values()) if listed else ()
    found = [select_settings(dict(zip(listed, cell, strict=True))) for cell in cells]
    found += [own for point in points if (own := select_settings(point.values))]
    return list({build_key(one): one for one in found}.values())


def vary(estimator: Estimator, settings: JsonView, base: LaunchPlan) -> Estimator:
    """Return the estimator with these settings, for the allocation of ``base``, with its GPUs and its launcher.

    Counts that have no effect with a backend are left out. Raises SpecError.
    """
    own = dict(settings)
    training = estimator.distributed_training
    if training is not None and "distributed_backend" not in own:
        inside = {name: own.pop(name) for name in COUNTS if name in own}
        own["distributed_training"] = replace(training, **inside)
    backend = own.get("distributed_backend")
    if backend in KINDS:
        own["distributed_training"] = None
        known = {one.name for one in fields(KINDS[backend])}
        own |= {name: None for name in estimator.COUNTS if name not in known}
    if estimator.use_gpu and estimator.gpus_per_node is None:  # else their number would depend on that of the processes
        own["gpus_per_node"] = base.resources.gpus_per_node
    return replace(estimator, **{"launcher": estimator.launcher or base.job.launcher, **own})


def build_order(plan: LaunchPlan, base: LaunchPlan) -> LaunchOrder:
    """Return a plan's launch in the allocation of another plan. Pure."""
    return LaunchOrder(
        command=() if plan.batch.command == base.batch.command else plan.batch.command,
        distribution=plan.job.distribution,
        size=plan.job.size,
        launcher=plan.job.launcher_words,
    )


def check_fit(plan: LaunchPlan, base: LaunchPlan) -> Iterable[Finding]:
    """Yield what a plan needs but the allocation of another plan lacks. Pure."""
    wanted, had = plan.resources, base.resources
    processors, room = (one.tasks_per_node * (one.cpus_per_task or 1) for one in (wanted, had))
    if processors > room and not had.exclusive:
        what = f"takes {processors} CPUs of a node ({_format_shape(plan)}), and the job asks for {room} ({_format_shape(base)})"
        yield Finding("launch-too-large", "", what, "have the estimator request what the largest trial needs")
    flags, known = ({name: value for name, value in one.batch.directives if name not in SHAPE_FLAGS} for one in (plan, base))
    for flag in sorted(name for name in {**flags, **known} if flags.get(name) != known.get(name)):
        what = f"asks Slurm for --{flag}={flags.get(flag)}, and the job for --{flag}={known.get(flag)}"
        yield Finding("launch-asks-otherwise", "", what, f"set --{flag} for all trials in the estimator's `sbatch`")


def _format_shape(plan: LaunchPlan) -> str:
    return f"processes: {plan.resources.tasks_per_node}, CPUs of each: {plan.resources.cpus_per_task or 1}"


def plan_launches(
    settings: Sequence[GivenSettings], estimator: Estimator, base: LaunchPlan, planned: Callable[[Estimator], LaunchPlan]
) -> dict[str, LaunchOrder]:
    """Return the launch for each of these settings, by its key. ``planned`` returns the plan of an estimator.

    Raises SpecError with everything that is wrong with any of them.
    """
    findings = Findings()
    found = {}
    for own in settings:
        try:
            plan = planned(vary(estimator, own, base))
        except InputError as err:
            findings.add(_find_errors(own, err.findings))
            continue
        findings.add(_find_errors(own, check_fit(plan, base)))
        found[build_key(own)] = build_order(plan, base)
    findings.raise_errors()
    return found


def _find_errors(settings: Mapping[str, object], findings: Iterable[Finding]) -> Iterable[Finding]:
    """Return the errors of a trial, attributed to its settings."""
    values = ", ".join(f"{name}={value}" for name, value in settings.items())
    for finding in findings:
        if finding.is_error:
            where = f"{finding.where}: " if finding.where and finding.where not in settings else ""
            yield Finding(finding.code, "parameter_space", f"a trial with {values}: {where}{finding.what}", finding.remedy)
