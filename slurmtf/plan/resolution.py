"""The resolution: estimator, site, software and snapshot become a plan."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from slurmtf._version import __version__
from slurmtf.environments import Software
from slurmtf.environments.shell import module_lines
from slurmtf.errors import did_you_mean
from slurmtf.estimator import Estimator
from slurmtf.estimator.quantities import mebibytes, normal_flag, seconds
from slurmtf.findings import Finding, Findings
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size, Timings
from slurmtf.plan import containers, gpus, launchers
from slurmtf.plan.checks import gpu_warnings, legacy_keras_findings, script_warnings, software_findings
from slurmtf.plan.directives import Directives, as_submitted, directives, missing_and_refused
from slurmtf.plan.model import Activation, Awaited, LaunchPlan, Provenance, Resources, RunPlace, Shell, Tasks
from slurmtf.plan.quoting import expanding
from slurmtf.plan.staging import LookedUp, inputs_of, stage_of, stage_warnings
from slurmtf.plan.tasks import tasks_of
from slurmtf.plan.warnings import warnings_of, warnings_of_gpus
from slurmtf.sites.model import Partition, Preset, Site
from slurmtf.snapshot import ScriptFacts, SnapshotRef

UNREAD = ScriptFacts()
NOTHING_FOUND = LookedUp()


def resolve(
    estimator: Estimator,
    site: Site,
    software: Software,
    snapshot: SnapshotRef,
    place: RunPlace,
    script: ScriptFacts = UNREAD,
    of_source: Iterable[Finding] = (),
    after: Awaited | None = None,
    looked_up: LookedUp = NOTHING_FOUND,
    findings: Findings | None = None,
) -> LaunchPlan:
    """Return the plan. ``of_source`` are warnings of the snapshot; ``after`` is a job that must have succeeded
    before the run's starts.

    Raises SpecError with every finding: a flag that the site requires or refuses, a launcher that it does not have,
    a count that does not fit. Where the caller collects ``findings`` they are added there, and the plan is one to submit only
    if none of them is an error.
    """
    told = Findings(estimator.sources) if findings is None else findings
    of_software = [*legacy_keras_findings(estimator, software), *software_findings(estimator, script, software)]
    told.add([*_mismatches(estimator, site, software), *of_software, *containers.findings(estimator, software)])
    tasks, choice = tasks_of(estimator, site, script, software)
    of_job = [*of_source, *script_warnings(estimator, tasks, script, software), *containers.warnings(estimator, software)]
    of_job += stage_warnings(estimator, site, looked_up)
    wanted = _resources(estimator, site, _preset(estimator, site), tasks)
    told.add(_misfits(estimator, site, tasks, wanted))
    name, where = _launcher_name(estimator, site, wanted)
    resources, found, why = wanted, [], ""
    if site.scheduler == "slurm":
        form, why = gpus.form(site, wanted, tasks, name)
        found = directives(estimator, site, wanted, place.folder, int(Timings().warning), after and after.job_id, form)
        told.add(missing_and_refused(estimator, site, found))
        resources = _as_submitted(estimator, site, wanted, found, name)
    of_job += gpu_warnings(resources.gpus_per_node, software)
    of_job += warnings_of_gpus(resources, tasks, name, dict(found), launchers.srun_flags(estimator.srun, site, resources))
    host_python = software.host_python or software.python
    agent = (host_python, "-I", f"{place.folder}/agent.pyz")
    launch = launchers.Launch(resources, tasks, site, estimator.srun, agent)
    shell = _shell(estimator, site, software, tasks, looked_up.pack is not None)
    container = told.attempt(containers.container_of, estimator, site, software, place, resources, name, shell.exports)
    words = None if "nodes-on-local" in told.codes else told.attempt(launchers.words, name, where, launch)
    told.add(warnings_of(estimator, site, resources, of_job, tasks))
    if findings is None:
        told.raise_errors()
    spec = asdict(software.spec) if software.spec else None
    return LaunchPlan(
        job=_job_plan(estimator, site, place, tasks, resources, name, looked_up),
        provenance=Provenance(snapshot, estimator.to_record(), spec, after.name if after else "", site.source or ""),
        run=place,
        site=site.name,
        cluster=site.cluster,
        resources=resources,
        directives=tuple(found),
        shell=shell,
        launch=tuple(words or ()),
        container=container,
        python=software.python,
        host_python=host_python,
        command=(software.python, *_operands(estimator), *estimator.arguments),
        script=estimator.script,
        template=estimator.template or site.template or f"{site.scheduler}.sh.j2",
        warnings=told.warnings,
        choice="; ".join(filter(None, [choice, why])),
        slurmtf=__version__,
    )


def _job_plan(
    estimator: Estimator,
    site: Site,
    place: RunPlace,
    tasks: Distribution,
    resources: Resources,
    launcher: str,
    looked_up: LookedUp,
) -> JobPlan:
    """Return what the job needs to know."""
    return JobPlan(
        run=Run(place.run_id, place.experiment),
        scheduler=site.scheduler,
        distribution=tasks,
        size=Size(**{name: getattr(resources, name) for name in Size._fields}),
        launcher=launcher,
        gpu_vendor=site.gpu.vendor,
        host_suffix=site.network.host_suffix,
        interface=site.network.interface,
        variables=_variables(estimator),
        stage=stage_of(estimator, site, looked_up),
        inputs=inputs_of(estimator),
    )


def _operands(estimator: Estimator) -> tuple[str, ...]:
    """Return the script as Python takes it for one, also when its name begins like an option; a module by its name."""
    if estimator.module:
        return "-m", estimator.module
    return (f"./{estimator.script}" if estimator.script.startswith("-") else estimator.script,)


def _mismatches(estimator: Estimator, site: Site, software: Software) -> Iterable[Finding]:
    if site.scheduler == "local" and estimator.node_count > 1:
        yield Finding("nodes-on-local", "node_count", f"{site.name} is one machine, but node_count is {estimator.node_count}",
                      "give one node, or another compute_target")  # fmt: skip
    version = getattr(estimator, "framework_version", None)
    if version is not None and version not in site.modules.tensorflow and not software.image:
        known = ", ".join({**site.modules.tensorflow, **site.containers.tensorflow}) or "none"
        yield Finding("unknown-framework-version", "framework_version",
                      f"{site.name} has no TensorFlow {version!r} (known: {known})",
                      "leave it out and give environment_definition=Environment(python=...)")  # fmt: skip
    account = estimator.account or site.defaults.account
    if account and site.account_pattern and not re.fullmatch(site.account_pattern, account):
        yield Finding(
            "bad-account", "account", f"{account!r} is not an account of {site.name}", f"it looks like {site.account_pattern}"
        )
    if estimator.vm_size is not None and estimator.vm_size not in site.presets:
        known = ", ".join(site.presets) or "none"
        yield Finding("unknown-preset", "vm_size", f"{site.name} has no preset {estimator.vm_size!r} (known: {known})",
                      did_you_mean(estimator.vm_size, site.presets) or "leave it out")  # fmt: skip


def _preset(estimator: Estimator, site: Site) -> Preset:
    return site.presets.get(estimator.vm_size or "", Preset())


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _variables(estimator: Estimator) -> dict[str, str]:
    legacy = {"TF_USE_LEGACY_KERAS": "1"} if estimator.legacy_keras else {}
    given = {name: str(value) for name, value in (estimator.environment_variables or {}).items()}
    return {**legacy, **given}


def _as_submitted(estimator: Estimator, site: Site, wanted: Resources, header: Directives, launcher: str) -> Resources:
    resources = as_submitted(wanted, header)
    srun = launchers.srun_flags(estimator.srun, site, resources)
    return replace(resources, gpus_bound=launcher == "srun" and gpus.is_bound(dict(header), srun))


def _misfits(estimator: Estimator, site: Site, tasks: Tasks, resources: Resources) -> Iterable[Finding]:
    if tasks.world_size < resources.nodes:
        what = f"{resources.nodes} nodes are asked for, but there are only {tasks.world_size} processes"
        yield Finding("too-many-nodes", "node_count", what, f"give at most {tasks.world_size} nodes, or more workers")
    sharers = tasks.gpu_users_per_node(resources.nodes)
    chosen = _first(estimator.gpus_per_node, _preset(estimator, site).gpus_per_node)
    by_parameter = chosen is not None and not gpus.asks(estimator.sbatch)
    if by_parameter and resources.gpus_per_node and sharers > resources.gpus_per_node:
        what = f"{resources.gpus_per_node} GPUs are shared by {sharers} processes of a node that use one"
        yield Finding("too-few-gpus", "gpus_per_node", what, f"give at least {sharers}, more nodes, or fewer processes")


def _resources(estimator: Estimator, site: Site, preset: Preset, tasks: Tasks) -> Resources:
    tasks_per_node = -(-tasks.world_size // estimator.node_count)
    users = tasks.gpu_users_per_node(estimator.node_count) or tasks_per_node
    count = _gpus_per_node(estimator, site, preset, users, tasks_per_node)
    partition = _partition(estimator, site, preset, count)
    known = site.partitions.get(partition or "", Partition())
    lowpriority = estimator.vm_priority == "lowpriority"
    time = _first(estimator.time, preset.time, site.defaults.time)
    return Resources(
        nodes=estimator.node_count,
        tasks=tasks.world_size,
        tasks_per_node=tasks_per_node,
        cyclic=tasks.cyclic,
        cpus_per_task=_cpus_per_task(estimator, site, preset, count // tasks_per_node),
        gpus_per_node=count,
        gpu_type=_first(estimator.gpu_type, preset.gpu_type, known.gpu_type, site.gpu.type) if count else None,
        memory=_memory(estimator, site, preset, count),
        time_s=estimator.max_run_duration_seconds or (None if time is None else seconds(time)),
        partition=partition,
        account=_first(estimator.account, site.defaults.account),
        qos=_first(estimator.qos, preset.qos, site.requeue.qos if lowpriority else None, known.qos, site.defaults.qos),
        constraint=_constraint(estimator, site, preset, count),
        exclusive=bool(estimator.exclusive),
        requeue=lowpriority,
    )


def _gpus_per_node(estimator: Estimator, site: Site, preset: Preset, users: int, slots: int) -> int:
    """Return how many GPUs a node gives: by the user's own flags, by his parameters, or by the profile's flags."""
    own, of_site = (
        gpus.allocation(flags, estimator.node_count, slots) if site.scheduler == "slurm" else None
        for flags in (estimator.sbatch, site.directives)
    )
    asked = _first(estimator.gpus_per_node, preset.gpus_per_node, users if estimator.use_gpu else None)
    is_left_out = own is not None and not own.flag  # the partition may give what was asked for
    if own is not None and not (is_left_out and asked):
        return own.per_node
    return int(_first(asked, of_site and of_site.per_node, 0))


def _partition(estimator: Estimator, site: Site, preset: Preset, gpu_count: int) -> str | None:
    low = site.requeue.partition if estimator.vm_priority == "lowpriority" else None
    of_gpus = site.defaults.gpu_partition if gpu_count else None
    flag = next((value for name, value in estimator.sbatch.items() if normal_flag(name) == "partition"), None)
    own = str(flag) if flag else estimator.partition
    found: str | None = _first(own, preset.partition, low, of_gpus, site.defaults.partition)
    return found


def _cpus_per_task(estimator: Estimator, site: Site, preset: Preset, gpus_per_task: int) -> int | None:
    by_gpu = site.defaults.cpus_per_gpu * max(1, gpus_per_task) if site.defaults.cpus_per_gpu and gpus_per_task else None
    found: int | None = _first(estimator.cpus_per_task, preset.cpus_per_task, by_gpu, site.defaults.cpus_per_task)
    return found


def _memory(estimator: Estimator, site: Site, preset: Preset, gpu_count: int) -> str | None:
    per_gpu = site.defaults.memory_per_gpu
    by_gpu = f"{int(mebibytes(per_gpu) * gpu_count)}M" if gpu_count and per_gpu is not None else None
    asked = _first(estimator.memory, preset.memory, by_gpu, site.defaults.memory)
    return None if asked is None else str(asked)


def _constraint(estimator: Estimator, site: Site, preset: Preset, gpu_count: int) -> str | None:
    """Return the node features asked for, joined by AND (sbatch(1), --constraint)."""
    wishes = [_first(estimator.constraint, preset.constraint), site.gpu.constraint if gpu_count else None]
    found = [wish for wish in wishes if wish]
    several = len(found) > 1
    return "&".join(f"({wish})" if several and _has_open_or(wish) else wish for wish in found) or None


def _has_open_or(constraint: str) -> bool:
    """Tell whether an OR stands outside of brackets; Slurm 24.11 refuses brackets of both kinds around one another."""
    return "|" in re.sub(r"\[.*?\]|\(.*?\)", "", constraint)


def _launcher_name(estimator: Estimator, site: Site, resources: Resources) -> tuple[str, str]:
    """Return the launcher's name, and where it was asked for."""
    if estimator.launcher:
        return estimator.launcher, "launcher"
    own = site.launcher.single if resources.tasks == 1 and site.launcher.single else site.launcher.default
    return own, f"site {site.name}: launcher"


def _shell(estimator: Estimator, site: Site, software: Software, tasks: Tasks, packed: bool) -> Shell:
    version = None if software.image else getattr(estimator, "framework_version", None)
    # of what sbatch asked for, so that all nodes have the same room, srun would warn that fewer tasks are started
    uneven = ["SLURM_NTASKS_PER_NODE"] if tasks.cyclic and tasks.world_size % estimator.node_count else []
    unchanged = {"PYTHONDONTWRITEBYTECODE": "1"} if packed or (software.spec and not software.image) else {}
    interface = {"NCCL_SOCKET_IFNAME": site.network.interface} if site.network.interface else {}
    return Shell(
        shebang=site.environment.shebang,
        unset=tuple(dict.fromkeys((*site.environment.unset, *uneven, *software.unset))),
        prologue=tuple(site.environment.prologue),
        modules=module_lines(site, software.modules, version),
        activation=_activation(software),
        image=software.image if software.image.startswith("/") else "",
        local=expanding(site.storage.local) if software.image and site.storage.local else "",
        exports={**unchanged, **interface, **site.environment.variables, **software.variables},
    )


def _activation(software: Software) -> Activation | None:
    name = software.spec.name if software.spec else ""
    return Activation(software.prefix, software.kind, name) if software.prefix else None
