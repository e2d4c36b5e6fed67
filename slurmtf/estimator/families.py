"""Flags of sbatch and srun that express the same: of each family, a batch script may have only one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slurmtf.documents import GivenSettings
from slurmtf.estimator.quantities import get_flag_name, normalize_flag

FAMILIES = (
    ("mem", "mem-per-cpu", "mem-per-gpu"),
    ("cpus-per-task", "cpus-per-gpu"),
    ("exclusive", "oversubscribe", "share"),
    ("requeue", "no-requeue"),
    ("core-spec", "thread-spec"),
    ("hint", "threads-per-core", "ntasks-per-core", "extra-node-info"),
    ("gpu-bind", "tres-bind"),
)
"""Flags of a line exclude one another according to sbatch(1); of (no-)requeue the last one wins, and --tres-bind does for GPUs
what --gpu-bind does. Slurm 22.05 and 24.11 refuse two flags for memory, for CPUs or for specialized cores."""
GPU_FLAGS = ("gres", "gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket", "tres-per-task")
"""These may be combined if they agree. :mod:`slurmtf.plan.gpus` determines whether the first and the last are about GPUs."""


def list_values(value: object) -> list[Any]:
    """Return the values of a flag; an empty list if the flag is left out (None, False)."""
    values = value if isinstance(value, list | tuple) else [value]
    return [item for item in values if item is not None and item is not False]


def find_family(flag: str, value: object = None) -> tuple[str, ...]:
    """Return the flags that a flag excludes, including itself. --tres-per-task may name CPUs."""
    name = normalize_flag(flag)
    items = ",".join(map(str, list_values(value))).split(",")
    if name == "tres-per-task" and any(item.strip().startswith("cpu") for item in items):
        return (name, *find_family("cpus-per-task"))
    return next((members for members in FAMILIES if name in members), (name,))


def add_excluded(flags: Mapping[str, object]) -> set[str]:
    """Return these flags and the flags they exclude. Flags that are left out (None, False) exclude nothing."""
    return {member for flag, value in flags.items() if list_values(value) for member in find_family(flag, value)}


def drop_flags(flags: Mapping[str, object], excluded: Iterable[str]) -> dict[str, object]:
    """Return the flags without the excluded ones, in any spelling."""
    names = set(excluded)
    return {flag: value for flag, value in flags.items() if normalize_flag(flag) not in names}


def override_flags(flags: Mapping[str, object], layer: Mapping[str, object]) -> GivenSettings:
    """Return flags overridden by a layer, which replaces what it excludes; the others keep their order."""
    new = {get_flag_name(flag): value for flag, value in layer.items()}
    old = {get_flag_name(flag): value for flag, value in flags.items()}
    excluded = add_excluded(new)
    return {**{flag: value for flag, value in old.items() if flag in new or normalize_flag(flag) not in excluded}, **new}
