"""Runs and plans in words and as data."""

from __future__ import annotations

import json
import time
from typing import Any

from slurmtf.agent.roles import table
from slurmtf.cli.output import clock, colour, duration
from slurmtf.plan import LaunchPlan
from slurmtf.plan.model import Resources
from slurmtf.runs import Run, RunState, RunStatus

SHOWN_NODES = 16


def run_data(run: Run, state: RunState) -> dict[str, Any]:
    """Return a run as the data of the envelope. Times in seconds since 1970."""
    facts = {name: value for name, value in vars(state).items() if name != "status"}
    return {"id": run.id, "experiment": run.experiment, "folder": str(run.folder), "status": state.status.value, **facts}


def headline(state: RunState) -> str:
    """Return a run's state in a line: what it does, why it waits, when Slurm expects it to start."""
    parts = [colour(state.status.value)]
    if state.status is RunStatus.QUEUED and state.reason:
        parts.append(f"({state.reason})")
    if state.expected_start and state.status is RunStatus.QUEUED:
        parts.append(f"Slurm expects it to start at {clock(state.expected_start)}")
    if state.status is RunStatus.RUNNING and state.nodes:
        parts.append(f"on {state.nodes}")
    return " ".join(parts)


def elapsed(state: RunState) -> float | None:
    """Return the seconds that the run has run, or waited while it has not started."""
    began = state.started or state.submitted
    return None if began is None else (state.ended or time.time()) - began


def details(run: Run, state: RunState) -> str:
    """Return all that a person wants to know of a run."""
    rows = {
        "run": run.id,
        "status": headline(state) + (f" after {duration(elapsed(state))}" if state.started else ""),
        "why": state.message if state.status.final else "",
        "doubt": state.doubt,
        "job": f"{state.job_id}" + (f", restarted {state.attempt} times" if state.attempt else "") if state.job_id else "",
        "nodes": state.nodes,
        "submitted": clock(state.submitted),
        "started": clock(state.started),
        "ended": clock(state.ended),
        "folder": str(run.folder),
    }
    lines = [f"{name:<10} {value.replace(chr(10), chr(10) + ' ' * 11)}" for name, value in rows.items() if value]
    return "\n".join(lines)


def plan_text(plan: LaunchPlan) -> str:
    """Return a plan for a person: what is asked for, and the command."""
    resources = plan.resources
    gpus = f", {resources.gpus_per_node} GPU {resources.gpu_type or ''}".rstrip() if resources.gpus_per_node else ""
    rows = {
        "site": f"{plan.site} ({plan.scheduler})",
        "nodes": f"{resources.nodes}, each with {_up_to(resources)}{gpus}",
        "roles": _roles(plan),
        "cpus": f"{resources.cpus_per_task} for each process" if resources.cpus_per_task else "",
        "memory": f"{resources.memory} on each node" if resources.memory else "",
        "time": duration(resources.time_s),
        "partition": resources.partition or "",
        "account": resources.account or "",
        "qos": resources.qos or "",
        "launcher": plan.launcher,
        "python": plan.python,
        "source": f"{plan.snapshot.files} files, {plan.snapshot.bytes / 1e6:.1f} MB, {plan.snapshot.id[:12]}",
        "chosen": plan.choice,
        "command": " ".join(plan.command),
        "folder": plan.run.folder,
    }
    return "\n".join(f"{name:<10} {value}" for name, value in rows.items() if value)


def _up_to(resources: Resources) -> str:
    count = resources.tasks_per_node
    even = "up to " if resources.tasks != count * resources.nodes else ""
    return f"{even}{count} process{'' if count == 1 else 'es'}"


def _roles(plan: LaunchPlan) -> str:
    """Return who runs on which node; above a few nodes only the counts."""
    if plan.distribution.backend is None:
        return ""
    counts = ", ".join(f"{count} {role}" for role, count in plan.distribution.roles)
    if plan.resources.nodes > SHOWN_NODES or plan.distribution.backend == "mpi":
        return counts
    placed: dict[int, list[str]] = {}
    for role in table(json.loads(plan.to_json())):
        placed.setdefault(role.node, []).append(role.label)
    return "; ".join(f"node {node}: {', '.join(sorted(labels))}" for node, labels in sorted(placed.items()))
