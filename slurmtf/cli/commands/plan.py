"""``slurmtf plan``"""

from __future__ import annotations

from collections.abc import Mapping

import click

from slurmtf.cli.options import JobRequest, job_options
from slurmtf.cli.output import emit, format_duration
from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.estimator.quantities import UNLIMITED_S, normalize_flag
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.roles import assign_roles
from slurmtf.paths import is_there
from slurmtf.plan import LaunchPlan
from slurmtf.plan.model import Resources
from slurmtf.spelling import format_count

SHOWN_NODES = 16
HIDDEN = "..."


@click.command("plan")
@job_options
def command(request: JobRequest) -> None:
    """Show the resolved plan of TARGET, a script or a job file, without submitting. Writes no run and does not contact Slurm,
    except for the runs of --after.

    Arguments after -- go to the script.
    """
    plan, _ = request.experiment.plan(request.estimator, run_id="RUN-ID", after=request.after)
    emit(hide_values(plan.to_dict()), format_plan(plan), plan.warnings)


def hide_values(plan: JsonObject) -> dict[str, object]:
    """Return a plan without the values of the user's variables, which may be secret."""
    estimator = plan["provenance"]["estimator"]
    hidden = dict.fromkeys(estimator.get("environment_variables") or {}, HIDDEN)
    variables = {name: hidden.get(name, value) for name, value in plan["job"]["variables"].items()}
    shown = {**estimator, "environment_variables": hidden} if hidden else estimator
    return {**plan, "job": {**plan["job"], "variables": variables}, "provenance": {**plan["provenance"], "estimator": shown}}


def format_plan(plan: LaunchPlan) -> str:
    """Return a plan as text: the requested resources, and the command."""
    resources, snapshot = plan.resources, plan.provenance.snapshot
    directives = {normalize_flag(flag): value for flag, value in plan.batch.directives}
    gpus = f", {resources.gpus_per_node} GPU {resources.gpu_type or ''}".rstrip() if resources.gpus_per_node else ""
    rows = {
        "site": f"{plan.site} ({plan.job.scheduler})",
        "profile": plan.provenance.profile,
        "templates": ", ".join(plan.provenance.templates),
        "nodes": f"{resources.nodes}, each with {_format_process_count(resources)}{gpus}",
        "roles": _format_roles(plan),
        "cpus": f"{resources.cpus_per_task} for each process"
        if resources.cpus_per_task
        else _format_share(directives, "cpus-per-gpu"),
        "memory": f"{resources.memory} on each node"
        if resources.memory
        else _format_share(directives, "mem-per-cpu", "mem-per-gpu"),
        "time": "unlimited" if resources.time_s == UNLIMITED_S else format_duration(resources.time_s),
        "partition": resources.partition or "",
        "account": resources.account or "",
        "qos": resources.qos or "",
        "launcher": plan.job.launcher,
        "container": f"{plan.batch.container.image}, run by {plan.batch.container.runtime}" if plan.batch.container else "",
        "python": plan.batch.python,
        "software": _format_software(plan),
        "stage": _format_staging(plan),
        **{f"input {item.name}": f"{item.path} ({item.mode})" for item in plan.job.inputs},
        "source": f"{format_count(snapshot.files, 'file')}, {snapshot.bytes / 1e6:.1f} MB, {snapshot.id[:12]}",
        "after": directives.get("dependency"),
        "chosen": plan.provenance.choice,
        "command": " ".join(plan.batch.command),
        "folder": plan.run.folder,
    }
    return "\n".join(f"{name:<10} {value}" for name, value in rows.items() if value)


def _format_share(directives: Mapping[str, object], *flags: str) -> str:
    """Return what the first of these flags requests for each of its units: ``4 for each GPU``."""
    return next((f"{directives[flag]} for each {flag.rpartition('-')[2].upper()}" for flag in flags if flag in directives), "")


def _format_software(plan: LaunchPlan) -> str:
    """Return the content of the environment built for the run, and whether it is built already."""
    if plan.provenance.environment_spec is None:
        return ""
    spec = EnvironmentSpec.from_dict(plan.provenance.environment_spec)
    place = plan.batch.shell.activation.prefix if plan.batch.shell.activation else plan.batch.shell.image
    there = is_there(place)
    return f"{spec.summary} ({'' if there else 'to be '}built for it, {spec.name})"


def _format_staging(plan: LaunchPlan) -> str:
    """Return what is staged to the nodes' local disks."""
    stage = plan.job.stage
    if not stage.on_node:
        return ""
    return f"source{' and software' if stage.pack else ''} on each node's own disk ({stage.local or 'the job decides'})"


def _format_process_count(resources: Resources) -> str:
    count = resources.tasks_per_node
    even = "up to " if resources.tasks != count * resources.nodes else ""
    return f"{even}{count} process{'' if count == 1 else 'es'}"


def _format_roles(plan: LaunchPlan) -> str:
    """Return the roles on each node; for more than a few nodes only their counts."""
    if plan.job.distribution.backend is None:
        return ""
    counts = ", ".join(f"{count} {role}" for role, count in plan.job.distribution.roles)
    if plan.resources.nodes > SHOWN_NODES or plan.job.distribution.backend == "mpi":
        return counts
    placed: dict[int, list[str]] = {}
    for role in assign_roles(plan.job):
        placed.setdefault(role.node, []).append(role.label)
    return "; ".join(f"node {node}: {', '.join(sorted(labels))}" for node, labels in sorted(placed.items()))
