"""Warn about what is possible, but probably not intended; each warning has a code by which it can be silenced."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from slurmtf.errors import suggest
from slurmtf.estimator import Estimator
from slurmtf.estimator.azureml import warn_about_older_names
from slurmtf.estimator.life import as_notice
from slurmtf.estimator.quantities import UNLIMITED_S, parse_time
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract.plan import Distribution, Timings
from slurmtf.plan import gpus
from slurmtf.plan.launchers import is_step
from slurmtf.plan.model import Resources
from slurmtf.sites.model import Partition, Site

SHORT_TIME_S = 240
"""Below this, the warning before the limit and Slurm's slack after it are a large part of the run."""
PER_TASK = ("gpus-per-task", "tres-per-task")
Warnings = Iterable[Finding]


def warn_about_job(
    estimator: Estimator, site: Site, resources: Resources, of_source: Warnings, tasks: Distribution
) -> Iterable[Finding]:
    """Yield the warnings that the user has not silenced."""
    known = site.partitions.get(resources.partition or "")
    found = [
        *warn_about_older_names(estimator),
        *_warn_about_site(estimator, site, resources),
        *_warn_about_partition(resources, known),
        *_warn_about_gpus(site, resources, known),
        *of_source,
        *_warn_about_shape(site, resources, tasks),
    ]
    yield from (finding for finding in found if finding.code not in estimator.silence)


def _warn_about_site(estimator: Estimator, site: Site, resources: Resources) -> Warnings:
    partition, time_s = resources.partition, resources.time_s
    if partition and site.partitions and partition not in site.partitions:
        yield build_warning(
            "unknown-partition",
            f"the profile {site.name} does not know partition {partition!r} ({_suggest_partition(partition, site)})",
        )
    if site.min_time is not None and time_s and time_s < parse_time(site.min_time):
        yield build_warning("under-time", f"{site.name} wants jobs of at least {site.min_time}: set a longer `time`")
    if estimator.mail_type and site.mail_works is False:
        yield build_warning("no-mail", f"{site.name} does not send mail")
    if site.status == "retired":
        yield build_warning("retired", f"{site.name} is retired")
    if time_s and time_s < SHORT_TIME_S and site.can.keeps_time:
        yield build_warning(
            "short-time", f"the time limit is {time_s} s: Slurm checks limits every 30 s and may end the job later"
        )
    leave = Timings().leave
    needed = as_notice(estimator.notice).before + leave
    if estimator.notice and time_s and time_s <= needed and site.can.keeps_time:
        early = f"with {time_s} s the script is told at its start to end (`notice.before` and {leave:.0f} s to leave)"
        yield build_warning("early-notice", f"{early}: set a `time` of more than {needed:.0f} s, or a smaller `notice.before`")


def _suggest_partition(partition: str, site: Site) -> str:
    return suggest(partition, site.partitions) or f"it knows {', '.join(site.partitions)}"


def _warn_about_partition(resources: Resources, known: Partition | None) -> Warnings:
    """Compare with the limits of the partition. Slurm leaves most such jobs waiting forever instead of rejecting them."""
    if known is None:
        return
    name, count = resources.partition, resources.gpus_per_node * resources.nodes
    if resources.time_s is not None and _to_duration(resources.time_s) > _to_duration(
        parse_time(known.max_time or UNLIMITED_S)
    ):
        yield build_warning("over-time", f"partition {name} allows at most {known.max_time}: the job may never start")
    if known.max_nodes and resources.nodes > known.max_nodes:
        yield build_warning("over-nodes", f"partition {name} allows at most {known.max_nodes} nodes: the job may never start")
    if known.max_gpus and count > known.max_gpus:
        yield build_warning(
            "over-gpus",
            f"partition {name} allows at most {known.max_gpus} GPUs, {count} are requested: the job may never start",
        )
    if known.gpus is False and count:
        yield build_warning("no-gpus", f"partition {name} has no GPUs")


def _to_duration(time_s: int) -> float:
    return math.inf if time_s == UNLIMITED_S else time_s


def _warn_about_gpus(site: Site, resources: Resources, known: Partition | None) -> Warnings:
    types, count = (resources.gpu_type or "").split(","), resources.gpus_per_node
    for kind in types:
        if kind and site.gpu.types and kind not in site.gpu.types:
            hint = suggest(kind, site.gpu.types) or f"it knows {', '.join(site.gpu.types)}"
            yield build_warning("unknown-gpu-type", f"the profile {site.name} does not know GPUs of type {kind!r} ({hint})")
    per_node = (known.gpus_per_node if known else None) or site.gpu.per_node
    if per_node and count > per_node:
        yield build_warning("too-many-gpus", f"{count} GPUs per node are requested; nodes of {site.name} have {per_node}")
    if site.gpu.whole_nodes_when_multinode and per_node and resources.nodes > 1 and 0 < count < per_node:
        text = f"a job of several nodes must take all {per_node} GPUs of each on {site.name}, not {count}"
        yield build_warning("part-of-nodes", f"{text}: set `gpus_per_node={per_node}`, or use one node")


def warn_about_gpu_sharing(
    resources: Resources, tasks: Distribution, launcher: str, header: Mapping[str, object], srun: Mapping[str, object]
) -> Warnings:
    """Yield warnings about how the GPUs of a node are shared by its processes."""
    given, step = (gpus.compute_allocation(flags, resources.nodes, resources.tasks_per_node) for flags in (header, srun))
    count, by = resources.gpus_per_node, given.flag if given else ""
    if step and step.per_node < count:
        count, by = step.per_node, f"srun {step.flag}"
    if given and not given.even:
        text = "is a total, which Slurm may divide unevenly among the nodes: set `gpus_per_node` instead"
        yield build_warning("uneven-gpus", f"{given.flag} {text}")
    users = tasks.count_gpu_users_per_node(resources.nodes)
    idle = [role for role, _ in tasks.roles if role not in tasks.gpu_roles]
    if users and by.startswith(PER_TASK) and not is_step(launcher) and resources.nodes > 1:
        yield build_warning(
            "shared-gpus",
            f"{by} gives GPUs to each daemon of {launcher}, whose processes share them: set `gpus_per_node` instead",
        )
    if users > count > 0:
        yield build_warning(
            "shared-gpus", f"{users} processes of a node share {_format_gpu_count(count)}{f' ({by})' if by else ''}"
        )
    elif users and resources.gpus_bound and by.startswith(PER_TASK) and idle:
        yield build_warning(
            "idle-gpus", f"{by} gives GPUs to each {' and '.join(idle)} too, where they stay idle: set `gpus_per_node` instead"
        )
    elif users and not resources.gpus_bound and count % users and tasks.backend != "mpi":
        rest = count % users
        text = f"{count} GPUs in equal parts for {users} processes of a node"
        yield build_warning("idle-gpus", f"{text}: {rest} stay{'s' if rest == 1 else ''} idle")


def _format_gpu_count(count: int) -> str:
    return f"{count} GPU{'' if count == 1 else 's'}"


def _warn_about_shape(site: Site, resources: Resources, tasks: Distribution) -> Warnings:
    count, processes = resources.gpus_per_node, resources.tasks_per_node
    is_shared = tasks.count_gpu_users_per_node(resources.nodes) > count
    if tasks.backend == "mpi" and count and count != processes and not is_shared:
        yield build_warning(
            "idle-gpus", f"{processes} processes on a node and {count} GPUs: Horovod expects one process for each GPU"
        )
    cores = processes * (resources.cpus_per_task or 1)
    if site.max_cpus_per_node and cores > site.max_cpus_per_node:
        yield build_warning("too-many-cpus", f"{cores} CPUs per node are requested; a job can use {site.max_cpus_per_node}")
