"""Bind tasks to CPUs if several tasks of equal work share a node and nobody else has bound them.

Unbound, the threads of all tasks move over all CPUs and get in each other's way. Slurm's task plugins and MPI's launchers bind
too: tasks that may not all use the same CPUs are already bound. Nothing is bound either if the CPUs that a task may use are not
exactly its job's, because then other jobs compute there (TaskPlugin=task/none, slurm.conf(5)).
"""

import os
from typing import Mapping, Tuple

from ..contract import variables as var
from ..contract.plan import JobPlan

TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/{}"


def compute_mask(plan: JobPlan, environ: Mapping[str, str]) -> str:
    """Return the CPUs that this task may use and that belong to its job alone, as a hexadecimal number; empty: never bind
    it."""
    allowed = os.sched_getaffinity(0)
    ours = has_exclusive_cpus(plan, environ) and plan.distribution.bind
    return "{:x}".format(sum(1 << cpu for cpu in allowed)) if ours else ""


def has_exclusive_cpus(plan: JobPlan, environ: Mapping[str, str]) -> bool:
    """Return whether the CPUs that this process may use belong to its job alone."""
    return plan.can.one_machine or environ.get(var.SLURM_CPUS_ON_NODE) == str(len(os.sched_getaffinity(0)))


def bind(turn: int, sharers: int) -> None:
    """Bind this process, and what it will start, to its share of the CPUs: whole cores, next to each other."""
    cpus = sorted(os.sched_getaffinity(0), key=_read_place)
    each = len(cpus) // sharers
    os.sched_setaffinity(0, cpus[turn * each : (turn + 1) * each])


def _read_place(cpu: int) -> Tuple[int, int, int]:
    """Return a CPU's socket and core: hyperthreads of a core are numbered far apart."""
    return _read_number(cpu, "physical_package_id"), _read_number(cpu, "core_id"), cpu


def _read_number(cpu: int, name: str) -> int:
    try:
        with open(TOPOLOGY.format(cpu, name), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
