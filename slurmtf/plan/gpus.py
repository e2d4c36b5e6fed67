"""How a cluster is asked for GPUs: data of the site profile, one function for each way."""

from __future__ import annotations

from collections.abc import Callable

from slurmtf.plan.model import Resources, Value

Directives = list[tuple[str, Value]]


def _typed(resources: Resources, count: int) -> str:
    return f"{resources.gpu_type}:{count}" if resources.gpu_type else str(count)


def _gres(resources: Resources) -> Directives:
    return [("gres", f"gpu:{_typed(resources, resources.gpus_per_node)}")]


def _per_node(resources: Resources) -> Directives:
    return [("gpus-per-node", _typed(resources, resources.gpus_per_node))]


def _per_task(resources: Resources) -> Directives:
    count = max(1, resources.gpus_per_node // resources.tasks_per_node)
    return [("gpus-per-task", _typed(resources, count))]


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
