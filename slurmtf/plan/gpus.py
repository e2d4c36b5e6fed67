"""GPU requests in every form that Slurm knows, read and written.

The forms are those of sbatch(1): ``--gres``, ``--gpus``, ``--gpus-per-node``, ``--gpus-per-task``, ``--gpus-per-socket`` and
``--tres-per-task``, written as ``[type:]count``, several separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slurmtf.estimator.families import OF_GPUS, values_of
from slurmtf.estimator.quantities import normal_flag
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


def _items(value: object) -> list[str]:
    return [item for text in values_of(value) for item in str(text).split(",") if item]


def _parse_count(item: str) -> tuple[str, int]:
    """Read ``a100:2``, ``2``, ``a100``, ``a100=2``: without a count it is one (measured, Slurm 22.05 and 24.11)."""
    *kind, last = re.split(r"[:=]", item)
    return (":".join(kind), int(last)) if last.isdigit() else (item, 1)


def _of_gres(item: str) -> tuple[str, int] | None:
    """Read ``gpu:a100:2``, ``gres/gpu=1`` and the like; None if it is another resource."""
    name, _, rest = re.sub(r"^gres[:/]", "", item).replace("=", ":").partition(":")
    if name in SHARED:
        return "", 1
    return None if name != "gpu" else _parse_count(rest) if rest else ("", 1)


def counts(flag: str, value: object) -> Counts:
    """Return the GPUs that one flag requests, by type; if a type is repeated, Slurm takes the last."""
    if normal_flag(flag) in ("gres", "tres-per-task"):
        return dict(found for found in map(_of_gres, _items(value)) if found is not None)
    return dict(map(_parse_count, _items(value)))


def others(value: object) -> list[str]:
    """Return the generic resources in a value of --gres that are not GPUs."""
    return [item for item in _items(value) if _of_gres(item) is None and item != "none"]


def _is_about_gpus(flag: str, value: object) -> bool:
    name = normal_flag(flag)
    if name not in OF_GPUS:
        return False
    listed = name in ("gres", "tres-per-task") and bool(_items(value))
    return not listed or bool(counts(name, value)) or (name == "gres" and not others(value))


def asks(flags: Mapping[str, object]) -> bool:
    """Return whether flags say anything about GPUs; a flag set to None, and ``gres=none``, request none."""
    return any(_is_about_gpus(flag, value) for flag, value in flags.items())


def without(flags: Mapping[str, object]) -> dict[str, Any]:
    """Return the flags without those for GPUs; the other resources in --gres stay."""
    kept = {flag: value for flag, value in flags.items() if not _is_about_gpus(flag, value)}
    rest = {flag: others(value) for flag, value in flags.items() if normal_flag(flag) == "gres" and others(value)}
    return {**kept, **rest}


def allocation(flags: Mapping[str, object], nodes: int, slots: int) -> Allocation | None:
    """Return the GPUs that flags request if a node has ``slots`` tasks (ntasks-per-node); None if they say nothing about GPUs.

    Slurm counts a task for each slot, even if fewer are started.
    """
    if not asks(flags):
        return None
    named = {normal_flag(flag): value for flag, value in flags.items()}
    sockets = str(named.get("sockets-per-node", 1))
    times = {"gres": 1, "gpus-per-node": 1, "gpus-per-task": slots, "tres-per-task": slots,
             "gpus-per-socket": int(sockets) if sockets.isdigit() else 1, "gpus": 1}  # fmt: skip
    for flag, factor in times.items():
        found = counts(flag, named[flag]) if flag in named else {}
        if found:
            total, text = sum(found.values()) * factor, f"{flag}={','.join(_items(named[flag]))}"
            types = tuple(kind for kind in found if kind)
            return Allocation(total // nodes if flag == "gpus" else total, types, text, flag != "gpus" or nodes == 1)
    return Allocation(0, (), "")


def is_bound(header: Mapping[str, object], srun: Mapping[str, object]) -> bool:
    """Return whether srun gives each task its own GPUs with these flags; srun's own override sbatch's."""
    for flags in (srun, header):
        named = {normal_flag(flag): value for flag, value in flags.items()}
        bindings = [str(item) for flag in ("tres-bind", "gpu-bind") for item in values_of(named.get(flag))]
        if bindings:
            return any(BINDING.match(binding) for binding in bindings)
        if any(counts(flag, named.get(flag)) for flag in ("gpus-per-task", "tres-per-task")):
            return True
    return False


# --- our own request


def _typed(resources: Resources, count: int) -> str:
    return f"{resources.gpu_type}:{count}" if resources.gpu_type else str(count)


def _gres(resources: Resources) -> Directives:
    return [("gres", f"gpu:{_typed(resources, resources.gpus_per_node)}")]


def _per_node(resources: Resources) -> Directives:
    return [("gpus-per-node", _typed(resources, resources.gpus_per_node))]


def _per_task(resources: Resources) -> Directives:
    return [("gpus-per-task", _typed(resources, max(1, resources.gpus_per_node // resources.tasks_per_node)))]


def _total(resources: Resources) -> Directives:
    return [("gpus", _typed(resources, resources.gpus_per_node * resources.nodes))]


def _none(resources: Resources) -> Directives:  # noqa: ARG001
    return []


REQUESTS: dict[str, Callable[[Resources], Directives]] = {
    "gres": _gres,
    "gpus-per-node": _per_node,
    "gpus-per-task": _per_task,
    "gpus": _total,
    "none": _none,
}


def choose_flag(site: Site, resources: Resources, tasks: Distribution, launcher: str) -> tuple[str, str]:
    """Return the form in which GPUs can be requested, and why it is not the profile's (empty if it is)."""
    wanted = site.gpu.request
    why = _why_not(wanted, resources, tasks, launcher) if resources.gpus_per_node else ""
    refused = {normal_flag(flag) for flag in site.forbidden}
    able = next((name for name in ("gpus-per-node", "gres") if name not in refused), None)
    if not why or able is None:
        return wanted, ""
    return able, f"GPUs are requested with {able}, not {site.name}'s {wanted}: {why}"


def _why_not(wanted: str, resources: Resources, tasks: Distribution, launcher: str) -> str:
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


def merge(values: Iterable[object]) -> list[Value]:
    """Merge several values of --gres into the one that sbatch takes; a later count of the same resource wins."""
    found = {re.split(r"[:=]\d+$", item)[0]: item for value in values for item in _items(value)}
    return [",".join(found.values())] if found else []
