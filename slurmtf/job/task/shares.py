"""A task's share of its node, as variables: how many threads its libraries start, and which GPUs it sees."""

from typing import Dict, Mapping, Optional

from ..common import gpus
from ..contract import variables as var
from ..contract.interchange import JsonView
from ..contract.plan import JobPlan
from ..contract.roles import SERVES, Role

SERVER_THREADS = 4
"""The fewest inter-op threads for a TensorFlow server: with fewer, a waiting thread can block the one that it waits for."""


def build_thread_counts(plan: JobPlan, start: JsonView, inherited: Mapping[str, str], allowed: int) -> Dict[str, str]:
    """Return the thread counts, which are the number of the task's CPUs, except those that the user has set. ``start`` is the
    supervisor's start message, ``allowed`` the number of CPUs that the kernel allows."""
    cpus = count_cpus(plan.size.cpus_per_task, allowed, bool(start.get("bind")), start.get("sharers", 1))
    if cpus is None:
        return {}
    inter = max(cpus, SERVER_THREADS) if plan.distribution.cluster else cpus
    wanted = {var.OMP_NUM_THREADS: cpus, var.TF_NUM_INTRAOP_THREADS: cpus, var.TF_NUM_INTEROP_THREADS: inter}
    return {name: str(count) for name, count in wanted.items() if name not in inherited}


def count_cpus(asked: Optional[int], allowed: int, bound: bool, sharers: int) -> Optional[int]:
    """Return the CPUs of a task: those requested, but no more than the kernel allows; None if none were requested.

    ``bound``: those that the kernel allows are its own; else ``sharers`` tasks of the node share them.
    """
    if asked is not None:
        return min(asked, allowed)
    if bound:
        return allowed
    return max(1, allowed // sharers) if sharers > 1 else None


def build_gpu_variables(plan: JobPlan, role: Role, start: JsonView, inherited: Mapping[str, str]) -> Dict[str, str]:
    """Hide the GPUs of other tasks. A task that was assigned none by a supervisor keeps what it sees."""
    vendor = plan.gpu_vendor
    is_assigned = "gpus" in start
    names = start["gpus"] if is_assigned else gpus.find_visible(plan, inherited, gpus.count_openable(vendor)).names
    if role.role in SERVES:
        names = ()
    return {} if names is None else gpus.build_variables(vendor, names, inherited)
