"""Decide what a job requests, from the user's settings, the preset and the site, and which flags express it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, TypeVar

from slurmtf.estimator import Estimator
from slurmtf.estimator.life import as_budgets, as_notice
from slurmtf.estimator.quantities import normalize_flag, parse_memory, parse_time
from slurmtf.findings import Finding
from slurmtf.job.contract.plan import Distribution, Timings
from slurmtf.plan import gpus, launchers
from slurmtf.plan.directives import Directives, apply_header, build_run_directives
from slurmtf.plan.model import Resources
from slurmtf.sites.model import Partition, Preset, Site

T = TypeVar("T")
ENDS_OF_JOBS = ("time-limit", "preempted", "node-failure")
"""Causes that end the allocation."""


class Request(NamedTuple):
    """What the job requests, the flags of sbatch for it, its launcher and the setting that named it. ``choice``: what was
    chosen for the user and why; empty if nothing was."""

    resources: Resources
    header: Directives
    launcher: str
    where: str
    choice: str


def resolve_request(estimator: Estimator, site: Site, tasks: Distribution, folder: str, after: str | None = None) -> Request:
    """Return the request for a job. ``after`` is a job that must have succeeded first."""
    wanted = _resolve_resources(estimator, site, get_preset(estimator, site), tasks)
    launcher, where = _resolve_launcher(estimator, site, wanted)
    if not site.can.takes_flags:
        return Request(wanted, [], launcher, where, "")
    form, why = gpus.choose_flag(site, wanted, tasks, launcher)
    header = build_run_directives(estimator, site, wanted, folder, int(compute_warning_s(estimator)), after, form)
    resources = apply_header(wanted, header)
    bound = launchers.is_step(launcher) and gpus.is_bound(
        dict(header), launchers.merge_srun_flags(estimator.srun, site, resources)
    )
    return Request(replace(resources, gpus_bound=bound), header, launcher, where, why)


def get_preset(estimator: Estimator, site: Site) -> Preset:
    return site.presets.get(estimator.vm_size or "", Preset())


def _get_first(*values: T) -> T:
    return next((value for value in values if value is not None), values[-1])


def check_request(estimator: Estimator, site: Site, tasks: Distribution, resources: Resources) -> Iterable[Finding]:
    if tasks.world_size < resources.nodes:
        what = f"{resources.nodes} nodes are requested, but there are only {tasks.world_size} processes"
        yield Finding("too-many-nodes", "node_count", what, f"use at most {tasks.world_size} nodes, or more processes")
    sharers = tasks.count_gpu_users_per_node(resources.nodes)
    chosen = _get_first(estimator.gpus_per_node, get_preset(estimator, site).gpus_per_node)
    by_parameter = chosen is not None and not gpus.has_gpu_flags(estimator.sbatch)
    if by_parameter and resources.gpus_per_node and sharers > resources.gpus_per_node:
        what = f"{resources.gpus_per_node} GPUs are shared by {sharers} processes of a node that use one"
        yield Finding(
            "too-few-gpus", "gpus_per_node", what, f"set `gpus_per_node={sharers}`, or use more nodes or fewer processes"
        )
    if site.can.starts_again and not resources.memory_mb and any(one.memory > 1 for one in as_budgets(estimator.restarts)):
        what = "asks for more memory each time, but the job does not say how much it has"
        yield Finding("memory-unknown", "restarts['out-of-memory']", what, "set `memory`, as 16G")
    if resources.account and site.account_pattern and not re.fullmatch(site.account_pattern, resources.account):
        what = f"{resources.account!r} is not an account of {site.name}"
        yield Finding("bad-account", "account", what, f"it looks like {site.account_pattern}")


def _resolve_resources(estimator: Estimator, site: Site, preset: Preset, tasks: Distribution) -> Resources:
    tasks_per_node = -(-tasks.world_size // estimator.node_count)
    users = tasks.count_gpu_users_per_node(estimator.node_count) or tasks_per_node
    count = _resolve_gpus_per_node(estimator, site, preset, users, tasks_per_node)
    partition = _resolve_partition(estimator, site, preset, count)
    known = site.partitions.get(partition or "", Partition())
    lowpriority = estimator.vm_priority == "lowpriority"
    time: str | int | None = _get_first(estimator.time, preset.time, site.defaults.time)
    return Resources(
        nodes=estimator.node_count,
        tasks=tasks.world_size,
        tasks_per_node=tasks_per_node,
        cyclic=tasks.cyclic,
        cpus_per_task=_resolve_cpus_per_task(estimator, site, preset, count // tasks_per_node),
        gpus_per_node=count,
        gpu_type=_get_first(estimator.gpu_type, preset.gpu_type, known.gpu_type, site.gpu.type) if count else None,
        memory=_resolve_memory(estimator, site, preset, count),
        time_s=estimator.max_run_duration_seconds or (None if time is None else parse_time(time)),
        partition=partition,
        account=_get_first(estimator.account, site.defaults.account),
        qos=_get_first(estimator.qos, preset.qos, site.requeue.qos if lowpriority else None, known.qos, site.defaults.qos),
        constraint=_resolve_constraint(estimator, site, preset, count),
        exclusive=bool(estimator.exclusive),
        requeue=lowpriority or _needs_requeue(estimator),
    )


def compute_warning_s(estimator: Estimator) -> float:
    """Return how many seconds before the time limit Slurm must warn the supervisor, which then notifies the script."""
    timings, notice = Timings(), as_notice(estimator.notice)
    return max(timings.warning, notice.before + timings.leave) if notice.before else timings.warning


def _needs_requeue(estimator: Estimator) -> bool:
    """Return whether the run restarts after a cause that ends its job: then Slurm must be allowed to requeue it."""
    return any(budget.times != 0 for budget in as_budgets(estimator.restarts) if budget.cause in ENDS_OF_JOBS)


def _resolve_gpus_per_node(estimator: Estimator, site: Site, preset: Preset, users: int, slots: int) -> int:
    """Return how many GPUs a node provides: by the user's own flags, by parameters, or by the profile's flags."""
    own, of_site = (
        gpus.compute_allocation(flags, estimator.node_count, slots) if site.can.takes_flags else None
        for flags in (estimator.sbatch, site.directives)
    )
    asked: int | None = _get_first(estimator.gpus_per_node, preset.gpus_per_node, users if estimator.use_gpu else None)
    is_left_out = own is not None and not own.flag  # the partition may provide what was requested
    if own is not None and not (is_left_out and asked):
        return own.per_node
    count: int | None = _get_first(asked, of_site.per_node if of_site else None)
    return count or 0


def _resolve_partition(estimator: Estimator, site: Site, preset: Preset, gpu_count: int) -> str | None:
    low = site.requeue.partition if estimator.vm_priority == "lowpriority" else None
    of_gpus = site.defaults.gpu_partition if gpu_count else None
    flag = next((value for name, value in estimator.sbatch.items() if normalize_flag(name) == "partition"), None)
    own = str(flag) if flag else estimator.partition
    found: str | None = _get_first(own, preset.partition, low, of_gpus, site.defaults.partition)
    return found


def _resolve_cpus_per_task(estimator: Estimator, site: Site, preset: Preset, gpus_per_task: int) -> int | None:
    by_gpu = site.defaults.cpus_per_gpu * gpus_per_task if site.defaults.cpus_per_gpu and gpus_per_task else None
    found: int | None = _get_first(estimator.cpus_per_task, preset.cpus_per_task, by_gpu, site.defaults.cpus_per_task)
    return found


def _resolve_memory(estimator: Estimator, site: Site, preset: Preset, gpu_count: int) -> str | None:
    per_gpu = site.defaults.memory_per_gpu
    by_gpu = f"{int(parse_memory(per_gpu) * gpu_count)}M" if gpu_count and per_gpu is not None else None
    asked = _get_first(estimator.memory, preset.memory, by_gpu, site.defaults.memory)
    return None if asked is None else str(asked)


def _resolve_constraint(estimator: Estimator, site: Site, preset: Preset, gpu_count: int) -> str | None:
    """Return the required node features, joined by AND (sbatch(1), --constraint)."""
    wishes = [_get_first(estimator.constraint, preset.constraint), site.gpu.constraint if gpu_count else None]
    found = [wish for wish in wishes if wish]
    several = len(found) > 1
    return "&".join(f"({wish})" if several and _has_open_or(wish) else wish for wish in found) or None


def _has_open_or(constraint: str) -> bool:
    """Return whether an OR is outside of brackets; Slurm 24.11 rejects nested brackets of both kinds."""
    return "|" in re.sub(r"\[.*?\]|\(.*?\)", "", constraint)


def _resolve_launcher(estimator: Estimator, site: Site, resources: Resources) -> tuple[str, str]:
    """Return the launcher's name, and which setting named it."""
    if estimator.launcher:
        return estimator.launcher, "launcher"
    own = site.launcher.single if resources.tasks == 1 and site.launcher.single else site.launcher.default
    return own, f"site {site.name}: launcher"
