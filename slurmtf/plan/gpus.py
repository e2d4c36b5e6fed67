"""GPU requests in every form that Slurm knows, read and written.

The forms are those of sbatch(1): ``--gres``, ``--gpus``, ``--gpus-per-node``, ``--gpus-per-task``, ``--gpus-per-socket`` and
``--tres-per-task``, written as ``[type:]count``, several separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from slurmtf.estimator.families import GPU_FLAGS, list_values
from slurmtf.estimator.quantities import normalize_flag
from slurmtf.job.contract.plan import Distribution
from slurmtf.plan.launchers import is_step
from slurmtf.plan.model import Resources, Value
from slurmtf.sites.model import Site

Directives = list[tuple[str, Value]]
Counts = dict[str, int]
"""The number of GPUs of each type; the type is '' if none is named."""

SHARED = ("shard", "mps")
"""Shares of a GPU (gres.conf(5)): however many are requested, a process sees one GPU."""
BINDING = re.compile(r"(?:gres/)?(?:gpu:)?(?:verbose,)?(?:single|per_task|map|mask)")
"""Values of --gpu-bind and --tres-bind that give each task its own GPUs; 'closest' and 'none' may leave it all of them."""


@dataclass(frozen=True)
class Allocation:
    """The GPUs that a job gets on each node. ``flag`` requests them, for messages; ``even``: each node is certain to get the
    same number."""

    per_node: int
    types: tuple[str, ...]
    flag: str
    even: bool = True


def _split_items(value: object) -> list[str]:
    return [item for text in list_values(value) for item in str(text).split(",") if item]


def _parse_count(item: str) -> tuple[str, int]:
    """Parse ``a100:2``, ``2``, ``a100``, ``a100=2``: without a count it is one (measured, Slurm 22.05 and 24.11)."""
    *kind, last = re.split(r"[:=]", item)
    return (":".join(kind), int(last)) if last.isdigit() else (item, 1)


def _parse_gres(item: str) -> tuple[str, int] | None:
    """Parse ``gpu:a100:2``, ``gres/gpu=1`` and the like; None if it is another resource."""
    name, _, rest = re.sub(r"^gres[:/]", "", item).replace("=", ":").partition(":")
    if name in SHARED:
        return "", 1
    return None if name != "gpu" else _parse_count(rest) if rest else ("", 1)


def count_gpus(flag: str, value: object) -> Counts:
    """Return the GPUs that one flag requests, by type; if a type is repeated, Slurm takes the last."""
    if normalize_flag(flag) in ("gres", "tres-per-task"):
        return dict(found for found in map(_parse_gres, _split_items(value)) if found is not None)
    return dict(map(_parse_count, _split_items(value)))


def list_other_resources(value: object) -> list[str]:
    """Return the generic resources in a value of --gres that are not GPUs."""
    return [item for item in _split_items(value) if _parse_gres(item) is None and item != "none"]


def _is_about_gpus(flag: str, value: object) -> bool:
    name = normalize_flag(flag)
    if name not in GPU_FLAGS:
        return False
    listed = name in ("gres", "tres-per-task") and bool(_split_items(value))
    return not listed or bool(count_gpus(name, value)) or (name == "gres" and not list_other_resources(value))


def has_gpu_flags(flags: Mapping[str, object]) -> bool:
    """Return whether flags say anything about GPUs; a flag set to None, and ``gres=none``, request none."""
    return any(_is_about_gpus(flag, value) for flag, value in flags.items())


def drop_gpu_flags(flags: Mapping[str, object]) -> dict[str, object]:
    """Return the flags without those for GPUs; the other resources in --gres stay."""
    kept = {flag: value for flag, value in flags.items() if not _is_about_gpus(flag, value)}
    rest = {
        flag: list_other_resources(value)
        for flag, value in flags.items()
        if normalize_flag(flag) == "gres" and list_other_resources(value)
    }
    return {**kept, **rest}


def compute_allocation(flags: Mapping[str, object], nodes: int, slots: int) -> Allocation | None:
    """Return the GPUs that flags request if a node has ``slots`` tasks (ntasks-per-node); None if they say nothing about GPUs.

    Slurm counts a task for each slot, even if fewer are started.
    """
    if not has_gpu_flags(flags):
        return None
    named = {normalize_flag(flag): value for flag, value in flags.items()}
    sockets = str(named.get("sockets-per-node", 1))
    times = {"gres": 1, "gpus-per-node": 1, "gpus-per-task": slots, "tres-per-task": slots,
             "gpus-per-socket": int(sockets) if sockets.isdigit() else 1, "gpus": 1}  # fmt: skip
    for flag, factor in times.items():
        found = count_gpus(flag, named[flag]) if flag in named else {}
        if found:
            total, text = sum(found.values()) * factor, f"{flag}={','.join(_split_items(named[flag]))}"
            types = tuple(kind for kind in found if kind)
            return Allocation(total // nodes if flag == "gpus" else total, types, text, flag != "gpus" or nodes == 1)
    return Allocation(0, (), "")


def is_bound(header: Mapping[str, object], srun: Mapping[str, object]) -> bool:
    """Return whether srun gives each task its own GPUs with these flags; srun's own override sbatch's."""
    for flags in (srun, header):
        named = {normalize_flag(flag): value for flag, value in flags.items()}
        bindings = [str(item) for flag in ("tres-bind", "gpu-bind") for item in list_values(named.get(flag))]
        if bindings:
            return any(BINDING.match(binding) for binding in bindings)
        if any(count_gpus(flag, named.get(flag)) for flag in ("gpus-per-task", "tres-per-task")):
            return True
    return False


# --- our own request


def _format_count(resources: Resources, count: int) -> str:
    return f"{resources.gpu_type}:{count}" if resources.gpu_type else str(count)


def _request_by_gres(resources: Resources) -> Directives:
    return [("gres", f"gpu:{_format_count(resources, resources.gpus_per_node)}")]


def _request_per_node(resources: Resources) -> Directives:
    return [("gpus-per-node", _format_count(resources, resources.gpus_per_node))]


def _request_per_task(resources: Resources) -> Directives:
    return [("gpus-per-task", _format_count(resources, max(1, resources.gpus_per_node // resources.tasks_per_node)))]


def _request_total(resources: Resources) -> Directives:
    return [("gpus", _format_count(resources, resources.gpus_per_node * resources.nodes))]


def _request_none(resources: Resources) -> Directives:  # noqa: ARG001
    return []


REQUESTS: dict[str, Callable[[Resources], Directives]] = {
    "gres": _request_by_gres,
    "gpus-per-node": _request_per_node,
    "gpus-per-task": _request_per_task,
    "gpus": _request_total,
    "none": _request_none,
}


def choose_flag(site: Site, resources: Resources, tasks: Distribution, launcher: str) -> tuple[str, str]:
    """Return the form in which GPUs can be requested, and why it is not the profile's (empty if it is)."""
    wanted = site.gpu.request
    why = _describe_obstacle(wanted, resources, tasks, launcher) if resources.gpus_per_node else ""
    refused = {normalize_flag(flag) for flag in site.forbidden}
    able = next((name for name in ("gpus-per-node", "gres") if name not in refused), None)
    if not why or able is None:
        return wanted, ""
    return able, f"GPUs are requested with {able}, not {site.name}'s {wanted}: {why}"


def _describe_obstacle(wanted: str, resources: Resources, tasks: Distribution, launcher: str) -> str:
    if wanted == "gpus" and resources.nodes > 1:
        return "it gives a total, which Slurm may divide unevenly among the nodes"
    if wanted != "gpus-per-task" or resources.tasks == 1:
        return ""
    idle = [role for role, _ in tasks.roles if tasks.gpu_roles and role not in tasks.gpu_roles]
    if idle:
        return f"it would give GPUs to each {' and '.join(idle)} too"
    if resources.gpus_per_node % resources.tasks_per_node:
        return f"{resources.gpus_per_node} GPUs can't be divided evenly among {resources.tasks_per_node} processes"
    return "" if is_step(launcher) else f"{launcher} starts the processes, not Slurm"


def merge_gres(values: Iterable[object]) -> list[Value]:
    """Merge several values of --gres into the one that sbatch takes; a later count of the same resource wins."""
    found = {re.split(r"[:=]\d+$", item)[0]: item for value in values for item in _split_items(value)}
    return [",".join(found.values())] if found else []
