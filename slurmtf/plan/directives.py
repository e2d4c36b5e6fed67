"""The header of the batch script: which flags of sbatch, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slurmtf.estimator import Estimator
from slurmtf.estimator.quantities import flag_name, normal_flag, slurm_time
from slurmtf.findings import Finding
from slurmtf.plan.gpus import REQUESTS
from slurmtf.plan.model import Resources, Value
from slurmtf.sites.model import Site

BUILD_CPUS, BUILD_TIME_S = 2, 3600
GPU_FLAGS = ("gres", "gpus", "gpus-per-node", "gpus-per-task")
Directives = list[tuple[str, Value]]

PARAMETER = {
    "account": "account", "partition": "partition", "qos": "qos", "time": "time", "mem": "memory",
    "constraint": "constraint", "exclusive": "exclusive", "gres": "gpus_per_node", "mail-type": "mail_type",
    "cpus-per-task": "cpus_per_task",
}  # fmt: skip
"""The estimator's parameter behind each flag, for messages."""


def directives(
    estimator: Estimator, site: Site, resources: Resources, folder: str, time_warning_s: int, after: str | None = None
) -> Directives:
    """Return the flags, later ones in place of earlier ones of the same name; what the site forbids is left out.

    ``after`` is a job that must have succeeded before.
    """
    found: dict[str, list[Value]] = {}
    for flag, value in _computed(estimator, site, resources, folder, time_warning_s):
        found.setdefault(flag, []).append(value)
    of_gpus: Mapping[str, Any] = site.gpu.sbatch if resources.gpus_per_node else {}
    for extra in (site.directives, of_gpus, _beside_gpus(estimator.sbatch, found)):
        found |= {flag_name(flag): _as_list(value) for flag, value in extra.items()}
    if after is not None:
        others = [str(value) for value in found.get("dependency", [])]
        found |= {"dependency": [",".join([f"afterok:{after}", *others])], "kill-on-invalid-dep": ["yes"]}
    refused = {normal_flag(flag) for flag in site.forbidden}
    return [(flag, value) for flag, values in found.items() if normal_flag(flag) not in refused for value in values]


def build_directives(estimator: Estimator, site: Site, name: str, own: Mapping[str, str]) -> Directives:
    """Return the flags of a job that makes an environment: one process, no GPU, what the site wants, and ``own`` last."""
    partition = site.defaults.partition or estimator.partition
    found: dict[str, Any] = {"job-name": f"slurmtf-{name}", "clusters": site.cluster,
                             "account": estimator.account or site.defaults.account, "partition": partition,
                             "qos": site.defaults.qos, "nodes": 1, "ntasks-per-node": 1, "cpus-per-task": BUILD_CPUS,
                             "time": slurm_time(BUILD_TIME_S)}  # fmt: skip
    for extra in (site.directives, site.environments.job):
        found |= {flag_name(flag): value for flag, value in extra.items()}
    refused = {normal_flag(flag) for flag in site.forbidden}
    pairs = [(flag, value) for flag, values in {**found, **own}.items() for value in _as_list(values)]
    return [(flag, value) for flag, value in pairs if normal_flag(flag) not in refused]


def _beside_gpus(given: Mapping[str, Any], found: dict[str, list[Value]]) -> Mapping[str, Any]:
    """Bring the user's own flags for generic resources together with the GPUs that were computed.

    sbatch takes the last --gres alone: another resource (``nvme:100``) is added to it. Who asks for GPUs by a flag of his own
    has his way: what was computed is left out.
    """
    asked = {normal_flag(flag): value for flag, value in given.items() if normal_flag(flag) in GPU_FLAGS}
    other = ",".join(map(str, _as_list(asked.get("gres")))) or "gpu"
    if asked and (other.startswith("gpu") or len(asked) > 1):
        for flag in GPU_FLAGS:
            found.pop(flag, None)
    elif asked and "gres" in found:
        return {**given, "gres": f"{found['gres'][0]},{other}"}
    return given


def _as_list(value: Any) -> list[Value]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if item is not None and item is not False]


def _computed(
    estimator: Estimator, site: Site, resources: Resources, folder: str, time_warning_s: int
) -> Iterable[tuple[str, Value]]:
    yield "job-name", estimator.job_name or folder.split("/")[-2]
    plain = {"clusters": site.cluster, "account": resources.account, "partition": resources.partition,
             "qos": resources.qos, "constraint": resources.constraint}  # fmt: skip
    yield from ((flag, value) for flag, value in plain.items() if value is not None)
    yield from _shape(site, resources)
    if resources.time_s is not None:
        yield "time", slurm_time(resources.time_s)
    yield from _mail(estimator, site)
    if resources.requeue:
        yield "requeue", True
    if site.environment.export is not None:
        yield "export", site.environment.export
    yield "signal", f"B:USR2@{time_warning_s}"
    yield "open-mode", "append"
    yield "chdir", folder
    yield "output", "logs/job.log"


def _shape(site: Site, resources: Resources) -> Iterable[tuple[str, Value]]:
    yield "nodes", resources.nodes
    yield "ntasks-per-node", resources.tasks_per_node  # not ntasks: Slurm gives a busy node less room than the next one
    if resources.cyclic:
        yield "distribution", "cyclic"
    if resources.cpus_per_task is not None:
        yield "cpus-per-task", resources.cpus_per_task
    if resources.gpus_per_node:
        yield from REQUESTS[site.gpu.request](resources)
    if resources.memory is not None:
        yield "mem", resources.memory
    if resources.exclusive:
        yield "exclusive", True


def _mail(estimator: Estimator, site: Site) -> Iterable[tuple[str, Value]]:
    types = estimator.mail_type or []
    lines = types if site.mail_one_type_per_line else [",".join(types)] if types else []
    yield from (("mail-type", line) for line in lines)
    if estimator.mail_user is not None:
        yield "mail-user", estimator.mail_user


def missing_and_refused(estimator: Estimator, site: Site, found: Directives) -> Iterable[Finding]:
    """Yield a finding for each flag that the site requires and the job lacks, or refuses and the user asked for."""
    given = {normal_flag(flag) for flag, _ in found}
    for flag in map(normal_flag, site.required):
        if flag not in given:
            name = PARAMETER.get(flag)
            remedy = f"give {name}=..." if name else f"give sbatch={{{flag!r}: ...}}"
            yield Finding(
                "required-flag",
                name or f"sbatch[{flag!r}]",
                f"{site.name} refuses a job without --{flag}",
                _known(site, flag, remedy),
            )
    for flag in map(normal_flag, site.forbidden):
        if _asked(estimator, flag):
            name = PARAMETER.get(flag, f"sbatch[{flag!r}]")
            yield Finding("forbidden-flag", name, f"{site.name} refuses a job with --{flag}", f"leave {name} out")


def _known(site: Site, flag: str, remedy: str) -> str:
    if flag == "partition" and site.partitions:
        return f"{remedy}, one of {', '.join(site.partitions)}"
    if flag == "account" and site.account_pattern:
        return f"{remedy}, of the form {site.account_pattern}"
    return remedy


def _asked(estimator: Estimator, flag: str) -> bool:
    if flag in {normal_flag(str(name)) for name, value in estimator.sbatch.items() if _as_list(value)}:
        return True
    name = PARAMETER.get(flag)
    asked = getattr(estimator, name) if name is not None and flag != "gres" else None
    return asked is not None and asked is not False  # 0 is asked for: all of a node's memory
