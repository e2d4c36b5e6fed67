"""Check the resources that a job requests: counts, sizes and names, and contradictions between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slurmtf.estimator.quantities import (
    LONGEST_S,
    check_choice,
    check_count,
    check_memory,
    check_printable,
    check_strings,
    check_switch,
    check_time,
)
from slurmtf.findings import Finding

COUNTS: dict[str, tuple[int, int]] = {
    "node_count": (1, 1_000_000),
    "gpus_per_node": (0, 1024),
    "cpus_per_task": (1, 100_000),
    "max_run_duration_seconds": (1, LONGEST_S),
}
"""The lowest and the highest value of each count."""
WORDS = ("job_name", "partition", "account", "qos", "constraint", "gpu_type", "mail_user", "vm_size", "launcher")

PRIORITIES = ("dedicated", "lowpriority")


def check_resources(given: Mapping[str, object]) -> Iterable[Finding]:
    """Yield what is wrong with the user's parameters for resources, given by name."""
    for name, (least, most) in COUNTS.items():
        yield from check_count(name, given.get(name), least, most)
    yield from check_time("time", given.get("time"))
    yield from check_memory("memory", given.get("memory"))
    for name in WORDS:
        yield from check_printable(name, given.get(name))
    yield from check_switch("use_gpu", given.get("use_gpu"), "`gpus_per_node` says how many GPUs")
    yield from check_switch("exclusive", given.get("exclusive"), "`sbatch[exclusive]=user` and the like say more")
    yield from check_choice("vm_priority", given.get("vm_priority"), PRIORITIES)
    yield from check_strings("mail_type", given.get("mail_type"), "mail_type")
    yield from _check_contradictions(given)


def _check_contradictions(given: Mapping[str, object]) -> Iterable[Finding]:
    if given.get("time") is not None and given.get("max_run_duration_seconds") is not None:
        yield Finding("said-twice", "max_run_duration_seconds", "says the same as `time`", "set one of them")
    if given.get("use_gpu") and given.get("gpus_per_node") == 0:
        yield Finding("gpus-contradict", "gpus_per_node", "is 0, but `use_gpu` is true", "leave one of them out")
    if given.get("gpu_type") and not (given.get("use_gpu") or given.get("gpus_per_node")):
        yield Finding("gpu-type-alone", "gpu_type", "is set, but no GPU is requested", "set `use_gpu=true` or `gpus_per_node`")
