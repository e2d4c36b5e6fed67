"""Divide a node's GPUs: what Slurm has bound to a task is that task's, GPUs that several tasks see are divided.

A task can't identify a GPU by its name: if cgroups constrain the tasks (cgroup.conf(5), ConstrainDevices), each calls its first
GPU 0. So names are compared only between tasks that see the same GPUs, and never with SLURM_JOB_GPUS or SLURM_STEP_GPUS, which
number the GPUs of the whole node.
"""

import glob
import os
from typing import Any, Collection, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from ..contract import variables as var
from ..contract.plan import JobPlan

DEVICES = {"nvidia": "/dev/nvidia[0-9]*", "amd": "/dev/dri/renderD*"}
NO_DEVICE = ("", "-1", "NoDevFiles", "none", "void")
"""Values that hide every GPU; Slurm before 21.08 writes NoDevFiles for a step without GPUs."""

Names = Tuple[str, ...]


class VisibleGpus(NamedTuple):
    """What one task sees of its node's GPUs.

    ``names``: as in the variable (indices, UUIDs, MIG names); None if no variable is set, so that it sees every GPU. ``bound``:
    Slurm has chosen them for this task; tasks that are not bound and see the same names see the same GPUs.
    """

    names: Optional[Names]
    bound: bool


def find_visible(plan: JobPlan, environ: Mapping[str, str], openable: int) -> VisibleGpus:
    """Return what a task with this environment sees, if it can open ``openable`` of the node's GPUs (:func:`count_openable`).

    srun binds GPUs on request (``gpus_bound``), or because of an administrator's settings, in which case a task sees fewer GPUs
    than SLURM_GPUS_ON_NODE, which counts those of the step. Ranks of other launchers see what the daemon that started them saw.
    If Slurm 22.05 names no GPU (see :func:`adapt_for_srun`), and a task can open as many as its job has on the node, they are
    numbered from 0.
    """
    vendor, size = plan.gpu_vendor, plan.size
    names, asked = _parse_names(environ, var.GPUS[vendor]), size.gpus_per_node
    if plan.can.one_machine:
        return VisibleGpus((names or _list_indices(asked))[:asked], False)
    count = environ.get(var.SLURM_GPUS_ON_NODE, "")
    on_node = int(count) if count.isdigit() else asked
    if names is None:
        return VisibleGpus(_list_indices(on_node) if on_node and on_node == openable else None, False)
    return VisibleGpus(names, plan.is_step and (size.gpus_bound or len(names) < on_node))


def adapt_for_srun(environ: Mapping[str, str]) -> Dict[str, str]:
    """Return variables of a batch script as srun must get them, because it would read its GPU flags from them (srun(1)).

    Slurm 22.05 names no GPU to the tasks of a step with a type in --gpus-per-task, or with --gpu-bind=none: the type is removed
    from the first, because the allocation has it; the second is removed if nothing else would bind.
    """
    found = dict(environ)
    per_task = found.get(var.SLURM_GPUS_PER_TASK, "")
    if per_task.count(":") == 1 and "," not in per_task:
        found[var.SLURM_GPUS_PER_TASK] = per_task.partition(":")[2]
    if not per_task and found.get(var.SLURM_GPU_BIND) == "none":
        del found[var.SLURM_GPU_BIND]
    return found


def _list_indices(count: int) -> Names:
    return tuple(map(str, range(count)))


def count_openable(vendor: str) -> int:
    """Return how many of a node's GPUs this process may open: access(2) checks the cgroup's device rules without opening
    anything."""
    return sum(os.access(path, os.R_OK | os.W_OK) for path in glob.glob(DEVICES[vendor]))


def build_variables(vendor: str, names: Names, inherited: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables with which a task sees these GPUs and no other.

    HIP applies CUDA_VISIBLE_DEVICES to the GPUs that ROCR_VISIBLE_DEVICES has left (ROCm, "GPU isolation techniques"), and
    Slurm may set both to the same value (gres.conf(5), Flags).
    """
    if not names:
        return dict.fromkeys(var.GPUS.values(), "")
    found = {var.GPUS[vendor]: ",".join(names)}
    if vendor == "amd" and var.CUDA_VISIBLE_DEVICES in inherited:
        found[var.CUDA_VISIBLE_DEVICES] = ",".join(_list_indices(len(names)))
    return found


def parse_sight(value: Any) -> VisibleGpus:
    """Return what another process found by :func:`find_visible`, from its JSON; None if it sent none."""
    names, bound = value or (None, False)
    return VisibleGpus(None if names is None else tuple(map(str, names)), bool(bound))


def _parse_names(environ: Mapping[str, str], variable: str) -> Optional[Names]:
    value = environ.get(variable) or environ.get(var.CUDA_VISIBLE_DEVICES, environ.get(variable))
    if value is None:
        return None
    return () if value in NO_DEVICE else tuple(name.strip() for name in value.split(","))


def divide(sights: Mapping[int, VisibleGpus], hosts: Mapping[int, str], users: Collection[int]) -> Dict[int, Optional[Names]]:
    """Return each rank's GPUs; None: leave its variable as it is.

    ``users`` are the ranks that compute on GPUs. Those of a node that see the same GPUs get equal parts, which overlap only if
    there are fewer GPUs than ranks. Other ranks get what is left.
    """
    found = {rank: seen.names for rank, seen in sights.items()}
    dealt: Dict[Tuple[str, Names], Set[str]] = {}
    for (host, names), ranks in _group_sharers(sights, hosts, users).items():
        for turn, rank in enumerate(ranks):
            found[rank] = compute_share(names, turn, len(ranks))
            dealt.setdefault((host, names), set()).update(found[rank] or ())
    for rank, (seen, bound) in sights.items():
        if seen and not bound and rank not in users:
            taken = dealt.get((hosts[rank], seen), set())
            found[rank] = tuple(name for name in seen if name not in taken)
    return found


def _group_sharers(
    sights: Mapping[int, VisibleGpus], hosts: Mapping[int, str], users: Collection[int]
) -> Dict[Tuple[str, Names], List[int]]:
    """Return the ranks that must divide the same GPUs of the same node."""
    found: Dict[Tuple[str, Names], List[int]] = {}
    for rank in sorted(users):
        names, bound = sights[rank]
        if names and not bound:
            found.setdefault((hosts[rank], names), []).append(rank)
    return found


def compute_share(names: Names, turn: int, sharers: int) -> Names:
    """Return one of several equal parts: a strategy of several workers needs the same number of GPUs in each. Too few GPUs are
    shared in turn."""
    each = len(names) // sharers
    return names[turn * each : (turn + 1) * each] if each else (names[turn % len(names)],)
