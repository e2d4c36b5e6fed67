"""The header of the batch script: which flags of sbatch, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from slurmtf.estimator import Estimator, families
from slurmtf.estimator.flags import PARAMETER_OF
from slurmtf.estimator.quantities import format_slurm_time, get_flag_name, normalize_flag, parse_time
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import JOB_LOG, LOGS
from slurmtf.plan import gpus
from slurmtf.plan.model import Resources, Value
from slurmtf.sites.model import Preset, Site

BUILD_CPUS, BUILD_TIME_S = 2, 3600
Directives = list[tuple[str, Value]]

PRESET_PARAMETERS = ("partition", "qos", "constraint", "cpus_per_task", "memory", "time")


def build_run_directives(
    estimator: Estimator,
    site: Site,
    resources: Resources,
    folder: str,
    time_warning_s: int,
    after: str | None = None,
    gpu_form: str = "gres",
) -> Directives:
    """Return the flags, without those that the site forbids.

    Later layers replace what they exclude in earlier ones: computed flags, the profile's directives (unless a parameter of the
    user says the same), those for GPU jobs, the user's own flags. ``after`` is a job that must have succeeded first.
    """
    computed: dict[str, list[object]] = {}
    for flag, value in _compute_flags(estimator, site, resources, folder, time_warning_s, gpu_form):
        computed.setdefault(flag, []).append(value)
    of_site = families.drop_flags(
        site.directives, families.add_excluded(_find_requested_flags(estimator, site, resources.requeue))
    )
    of_site = gpus.drop_gpu_flags(of_site) if estimator.gpus_per_node == 0 else of_site
    of_gpus = site.gpu.sbatch if resources.gpus_per_node else {}
    found: dict[str, list[Value]] = {}
    for layer in _keep_one_gpu_request(computed, of_site, of_gpus, estimator.sbatch):
        found = _override(found, layer)
    if after is not None:
        others = [str(value) for value in found.get("dependency", [])]
        found |= {"dependency": [",".join([f"afterok:{after}", *others])], "kill-on-invalid-dep": ["yes"]}
    refused = {normalize_flag(flag) for flag in site.forbidden}
    return [(flag, value) for flag, values in found.items() if normalize_flag(flag) not in refused for value in values]


def build_builder_directives(estimator: Estimator, site: Site, name: str, own: Mapping[str, str]) -> Directives:
    """Return the flags of a job that builds an environment: one process, no GPU, what the site requires, and ``own`` last."""
    partition = site.defaults.partition or estimator.partition
    found: dict[str, object] = {"job-name": f"slurmtf-{name}", "clusters": site.cluster,
                             "account": estimator.account or site.defaults.account, "partition": partition,
                             "qos": site.defaults.qos, "nodes": 1, "ntasks-per-node": 1, "cpus-per-task": BUILD_CPUS,
                             "time": format_slurm_time(BUILD_TIME_S)}  # fmt: skip
    for extra in (gpus.drop_gpu_flags(site.directives), site.environments.job):
        found = families.override_flags(found, extra)
    refused = {normalize_flag(flag) for flag in site.forbidden}
    pairs = [(flag, value) for flag, values in {**found, **own}.items() for value in families.list_values(values)]
    return [(flag, value) for flag, value in pairs if normalize_flag(flag) not in refused]


def _find_requested_flags(estimator: Estimator, site: Site, requeue: bool) -> dict[str, bool]:
    """Return the flags whose values the user has set by a parameter or a preset."""
    preset = site.presets.get(estimator.vm_size or "", Preset())
    given = {flag: getattr(estimator, name) for flag, name in PARAMETER_OF.items()}
    of_preset = {flag: getattr(preset, name) for flag, name in PARAMETER_OF.items() if name in PRESET_PARAMETERS}
    given["time"] = given["time"] if estimator.max_run_duration_seconds is None else estimator.max_run_duration_seconds
    given["requeue"] = requeue or None
    return {flag: True for values in (given, of_preset) for flag, value in values.items() if families.list_values(value)}


def _keep_one_gpu_request(*layers: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    """Yield the layers, with GPUs requested in only one of them: the user's, that of GPU jobs, the computed one, or the
    profile's."""
    computed, of_site, of_gpus, of_user = layers
    winner = next((layer for layer in (of_user, of_gpus, computed, of_site) if gpus.has_gpu_flags(layer)), None)
    return (layer if layer is winner else gpus.drop_gpu_flags(layer) for layer in layers)


def _override(found: Mapping[str, list[Value]], layer: Mapping[str, object]) -> dict[str, list[Value]]:
    """Return flags overridden by a layer, which replaces what it excludes; values of --gres, which sbatch takes only once, are
    joined."""
    new = {get_flag_name(flag): families.list_values(value) for flag, value in layer.items()}
    if "gres" in new:
        new["gres"] = gpus.merge_gres([*found.get("gres", ()), *new["gres"]])
    return families.override_flags(found, new)


def apply_header(resources: Resources, header: Directives) -> Resources:
    """Return what the job requests according to its header, no matter where each flag came from."""
    flags = {normalize_flag(flag): value for flag, value in header}
    texts = {name: flags.get(name) for name in ("partition", "account", "qos", "constraint", "mem")}
    requested = {name: None if value is None else str(value) for name, value in texts.items()}
    cpus = str(flags.get("cpus-per-task", ""))
    given = gpus.compute_allocation(flags, resources.nodes, resources.tasks_per_node)
    asked = {} if given is None else {"gpus_per_node": given.per_node, "gpu_type": ",".join(given.types) or None}
    return replace(
        resources,
        memory=requested.pop("mem"),
        **requested,  # type: ignore[arg-type]
        **asked,  # type: ignore[arg-type]
        cpus_per_task=int(cpus) if cpus.isdigit() else None,
        time_s=_parse_time_flag(flags.get("time")),
        exclusive=bool(flags.get("exclusive")),
        requeue=bool(flags.get("requeue")),
    )


def _parse_time_flag(time: Value | None) -> int | None:
    try:
        return None if time is None else parse_time(str(time))
    except ValueError:
        return None


def _compute_flags(
    estimator: Estimator, site: Site, resources: Resources, folder: str, time_warning_s: int, gpu_form: str
) -> Iterable[tuple[str, Value]]:
    yield "job-name", estimator.job_name or folder.split("/")[-2]
    plain = {"clusters": site.cluster, "account": resources.account, "partition": resources.partition,
             "qos": resources.qos, "constraint": resources.constraint}  # fmt: skip
    yield from ((flag, value) for flag, value in plain.items() if value is not None)
    yield from _build_shape_flags(resources, gpu_form)
    if resources.time_s is not None:
        yield "time", format_slurm_time(resources.time_s)
    yield from _build_mail_flags(estimator, site)
    if resources.requeue:
        yield "requeue", True
    if site.environment.export is not None:
        yield "export", site.environment.export
    yield "signal", f"B:USR2@{time_warning_s}"
    yield "open-mode", "append"
    yield "chdir", folder
    yield "output", f"{LOGS}/{JOB_LOG}"


def _build_shape_flags(resources: Resources, gpu_form: str) -> Iterable[tuple[str, Value]]:
    yield "nodes", resources.nodes
    yield "ntasks-per-node", resources.tasks_per_node  # not ntasks: Slurm gives a busy node less room than the next one
    if resources.cyclic:
        yield "distribution", "cyclic"
    if resources.cpus_per_task is not None:
        yield "cpus-per-task", resources.cpus_per_task
    if resources.gpus_per_node:
        yield from gpus.REQUESTS[gpu_form](resources)
    if resources.memory is not None:
        yield "mem", resources.memory
    if resources.exclusive:
        yield "exclusive", True


def _build_mail_flags(estimator: Estimator, site: Site) -> Iterable[tuple[str, Value]]:
    types = estimator.mail_type or []
    lines = types if site.mail_one_type_per_line else [",".join(types)] if types else []
    yield from (("mail-type", line) for line in lines)
    if estimator.mail_user is not None:
        yield "mail-user", estimator.mail_user


def check_site_flags(estimator: Estimator, site: Site, found: Directives) -> Iterable[Finding]:
    """Yield a finding for each flag that the site requires and the job lacks, or that the site refuses and the user set."""
    given = {normalize_flag(flag) for flag, _ in found}
    for flag in map(normalize_flag, site.required):
        if flag not in given:
            name = "gpus_per_node" if flag == site.gpu.request else PARAMETER_OF.get(flag)
            remedy = f"set `{name}`" if name else f"set `sbatch[{flag}]`"
            yield Finding(
                "required-flag",
                name or f"sbatch[{flag!r}]",
                f"{site.name} refuses a job without --{flag}",
                _advise_value(site, flag, remedy),
            )
    for flag in map(normalize_flag, site.forbidden):
        where = _find_setting(estimator, flag)
        if where:
            yield Finding("forbidden-flag", where, f"{site.name} refuses a job with --{flag}", "leave it out")


def _advise_value(site: Site, flag: str, remedy: str) -> str:
    if flag == "partition" and site.partitions:
        return f"{remedy}, one of {', '.join(site.partitions)}"
    if flag == "account" and site.account_pattern:
        return f"{remedy}, of the form {site.account_pattern}"
    return remedy


def _find_setting(estimator: Estimator, flag: str) -> str:
    """Return the setting by which the user asks for a flag; empty if there is none."""
    if flag in {normalize_flag(str(name)) for name, value in estimator.sbatch.items() if families.list_values(value)}:
        return f"sbatch[{flag!r}]"
    name = PARAMETER_OF.get(flag, "")
    asked = getattr(estimator, name) if name else None
    return name if asked is not None and asked is not False else ""  # 0 is a request: all of a node's memory
