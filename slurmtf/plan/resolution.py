"""Resolve estimator, site, software and snapshot into a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from slurmtf._version import __version__
from slurmtf.collecting import Findings
from slurmtf.environments import Software
from slurmtf.environments.shell import build_module_commands
from slurmtf.errors import suggest
from slurmtf.estimator import Estimator
from slurmtf.estimator.life import as_budgets, as_notice, as_stall
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size, Timings
from slurmtf.plan import containers, launchers
from slurmtf.plan.checks import (
    check_legacy_keras,
    check_resolver,
    check_software,
    warn_about_cpu_build,
    warn_about_script,
)
from slurmtf.plan.directives import Directives, check_site_flags
from slurmtf.plan.model import Activation, AwaitedJob, Batch, LaunchPlan, Provenance, Resources, RunPlace, Shell
from slurmtf.plan.quoting import quote_with_variables
from slurmtf.plan.resources import check_request, compute_warning_s, resolve_request
from slurmtf.plan.staging import StagingFacts, build_stage, convert_inputs, warn_about_stage
from slurmtf.plan.tasks import build_tasks
from slurmtf.plan.warnings import warn_about_gpu_sharing, warn_about_job
from slurmtf.sites.model import Site
from slurmtf.snapshot import ScriptFacts, SnapshotRef

UNREAD = ScriptFacts()
NOTHING_FOUND = StagingFacts()


def resolve(
    estimator: Estimator,
    site: Site,
    software: Software,
    snapshot: SnapshotRef,
    place: RunPlace,
    script: ScriptFacts = UNREAD,
    of_source: Iterable[Finding] = (),
    after: AwaitedJob | None = None,
    looked_up: StagingFacts = NOTHING_FOUND,
    findings: Findings | None = None,
) -> LaunchPlan:
    """Return the plan.

    ``of_source`` are warnings about the snapshot; ``after`` is a job that must have succeeded before this run starts. Raises
    SpecError with every finding: a flag that the site requires or refuses, a launcher that it does not have, a count that does
    not fit. If the caller passes ``findings``, they are added there instead, and the plan may be submitted only if none of them
    is an error.
    """
    collected = Findings(estimator.sources) if findings is None else findings
    of_software = [*check_legacy_keras(estimator, software), *check_software(estimator, script, software)]
    collected.add(
        [*_check_mismatches(estimator, site, software), *of_software, *containers.check_container_settings(estimator, software)]
    )
    tasks, choice = build_tasks(estimator, site, script, software)
    of_job = [
        *of_source,
        *warn_about_script(estimator, tasks, script, software),
        *containers.warn_about_container(estimator, software),
    ]
    of_job += warn_about_stage(estimator, site, looked_up)
    resources, found, name, where, why = resolve_request(estimator, site, tasks, place.folder, after and after.job_id)
    collected.add([*check_request(estimator, site, tasks, resources), *check_resolver(tasks, script, name, resources)])
    collected.add(check_site_flags(estimator, site, found) if site.can.takes_flags else ())
    of_job += warn_about_cpu_build(resources.gpus_per_node, software)
    of_job += warn_about_gpu_sharing(
        resources, tasks, name, dict(found), launchers.merge_srun_flags(estimator.srun, site, resources)
    )
    host_python = software.host_python or software.python
    agent = (host_python, "-I", f"{place.folder}/agent.pyz")
    launch = launchers.Launch(resources, tasks, site, estimator.srun, agent)
    shell = _build_shell(estimator, site, software, tasks, looked_up.pack is not None)
    container = collected.attempt(containers.build_container, estimator, site, software, place, resources, name, shell.exports)
    words = None if "nodes-on-local" in collected.codes else collected.attempt(launchers.build_words, name, where, launch)
    collected.add(warn_about_job(estimator, site, resources, of_job, tasks))
    if findings is None:
        collected.raise_errors()
    spec = asdict(software.spec) if software.spec else None
    return LaunchPlan(
        job=_build_job_plan(estimator, site, place, tasks, resources, (name, *(words or ())), looked_up)._replace(
            snapshot=snapshot.id
        ),
        batch=Batch(
            template=estimator.template or site.template or f"{site.scheduler}.sh.j2",
            directives=tuple(found),
            shell=shell,
            command=(software.python, *_build_operands(estimator), *estimator.arguments),
            python=software.python,
            host_python=host_python,
            container=container,
        ),
        provenance=Provenance(
            snapshot,
            estimator.to_record(),
            spec,
            build_task=after.name if after else "",
            profile=site.source or "",
            choice="; ".join(filter(None, [choice, why])),
        ),
        run=place,
        site=site.name,
        cluster=_find_cluster(found, site),
        resources=resources,
        script=estimator.script,
        warnings=collected.warnings,
        slurmtf=__version__,
    )


def _build_job_plan(
    estimator: Estimator,
    site: Site,
    place: RunPlace,
    tasks: Distribution,
    resources: Resources,
    launcher: tuple[str, ...],
    looked_up: StagingFacts,
) -> JobPlan:
    """Return the part of the plan that the job reads."""
    return JobPlan(
        run=Run(place.run_id, place.experiment),
        scheduler=site.scheduler,
        distribution=tasks,
        size=Size(**{name: getattr(resources, name) for name in Size._fields}),
        launcher=launcher[0],
        launcher_words=launcher[1:],
        is_step=launchers.is_step(launcher[0]),
        gpu_vendor=site.gpu.vendor,
        host_suffix=site.network.host_suffix,
        interface=site.network.interface,
        variables=_build_variables(estimator),
        stage=build_stage(estimator, site, looked_up),
        inputs=convert_inputs(estimator),
        autolog=estimator.autolog or "",
        restarts=as_budgets(estimator.restarts),
        notice=as_notice(estimator.notice),
        resume_from=estimator.resume_from or "",
        stall=as_stall(estimator.stall),
        timings=Timings(warning=compute_warning_s(estimator)),
    )


def _find_cluster(flags: Directives, site: Site) -> str | None:
    """Return the cluster that the job is submitted to, whichever setting named it."""
    return next((str(value) for flag, value in reversed(flags) if flag == "clusters"), site.cluster)


def _build_operands(estimator: Estimator) -> tuple[str, ...]:
    """Return the script as Python's arguments, even if its name begins with a dash; a module by its name."""
    if estimator.module:
        return "-m", estimator.module
    return (f"./{estimator.script}" if estimator.script.startswith("-") else estimator.script,)


def _check_mismatches(estimator: Estimator, site: Site, software: Software) -> Iterable[Finding]:
    if site.can.one_machine and estimator.node_count > 1:
        yield Finding("nodes-on-local", "node_count", f"{site.name} is one machine, but `node_count` is {estimator.node_count}",
                      "use one node, or set another `compute_target`")  # fmt: skip
    version = getattr(estimator, "framework_version", None)
    if version is not None and version not in site.modules.tensorflow and not software.image:
        known = ", ".join({**site.modules.tensorflow, **site.containers.tensorflow}) or "none"
        yield Finding("unknown-framework-version", "framework_version",
                      f"{site.name} has no TensorFlow {version!r} (known: {known})",
                      "leave it out and set `environment_definition.python=...`")  # fmt: skip
    if estimator.vm_size is not None and estimator.vm_size not in site.presets:
        known = ", ".join(site.presets) or "none"
        yield Finding("unknown-preset", "vm_size", f"{site.name} has no preset {estimator.vm_size!r} (known: {known})",
                      suggest(estimator.vm_size, site.presets) or "leave it out")  # fmt: skip


def _build_variables(estimator: Estimator) -> dict[str, str]:
    legacy = {var.TF_USE_LEGACY_KERAS: "1"} if estimator.legacy_keras else {}
    served = {var.SLURMTF_AZUREML: "1"} if estimator.azureml else {}
    given = {name: str(value) for name, value in (estimator.environment_variables or {}).items()}
    return {**legacy, **served, **given}


def _build_shell(estimator: Estimator, site: Site, software: Software, tasks: Distribution, packed: bool) -> Shell:
    version = None if software.image else getattr(estimator, "framework_version", None)
    # sbatch requested equal room on all nodes; with this variable, srun would warn that fewer tasks are started
    uneven = [var.SLURM_NTASKS_PER_NODE] if tasks.cyclic and tasks.world_size % estimator.node_count else []
    unchanged = {var.PYTHONDONTWRITEBYTECODE: "1"} if packed or (software.spec and not software.image) else {}
    interface = {var.NCCL_SOCKET_IFNAME: site.network.interface} if site.network.interface else {}
    return Shell(
        shebang=site.environment.shebang,
        unset=tuple(dict.fromkeys((*site.environment.unset, *uneven, *software.unset))),
        prologue=tuple(site.environment.prologue),
        modules=build_module_commands(site, software.modules, version),
        activation=_build_activation(software),
        image=software.image if software.image.startswith("/") else "",
        local=quote_with_variables(site.storage.local) if software.image and site.storage.local else "",
        exports={**unchanged, **interface, **site.environment.variables, **software.variables},
    )


def _build_activation(software: Software) -> Activation | None:
    name = software.spec.name if software.spec else ""
    return Activation(software.prefix, software.kind, name) if software.prefix else None
