"""``slurmtf report``"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from slurmtf.cli import completing
from slurmtf.cli.output import colour, duration, emit, json_option, table
from slurmtf.cli.present import in_rows
from slurmtf.cli.selecting import Selection, selection_options
from slurmtf.diagnosis.asking import LEAST_S, advise
from slurmtf.estimator.quantities import memory_size
from slurmtf.experiments import Run
from slurmtf.runs.reporting import Used, measure
from slurmtf.runs.usage import GpuUsage, Usage
from slurmtf.runs.workspaces.listing import Listed
from slurmtf.spelling import count, spell

COLUMNS = ("run", "status", "queue_s", "staging_s", "start_up_s", "training_s", "cpu_hours", "cpu_hours_used", "gpu_hours",
           "gpu_hours_busy", "memory_asked", "memory_used", "source", "advice")  # fmt: skip
HEADING = ("RUN", "STATUS", "QUEUE", "TIME", "CPU HOURS", "USED", "GPU HOURS", "BUSY", "MEMORY", "USED", "ADVICE")


@click.command("report")
@click.argument("run", required=False, shell_complete=completing.runs)
@click.option(
    "--number", "-n", type=click.IntRange(min=0), default=0, help="Number of runs to report on, newest first.  [default: all]"
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@selection_options
@json_option
def command(run: str | None, selection: Selection, number: int, as_csv: bool) -> None:
    """Report what RUN requested, used and wasted, and what to request next time. Without RUN: all runs (--since 30d, ...)."""
    now = time.time()
    if run is not None:
        found = Run.find(run, selection.workspaces[0] if len(selection.workspaces) == 1 else None)
        used = measure([Listed(str(found.folder), found.state)], now)
    else:
        used = measure(selection.find(number).runs, now)
    rows = [_row(one) for one in used]
    if as_csv:
        emit(rows, _csv(rows).rstrip("\n"))
    elif run is not None:
        emit(rows, _of_one(used[0]) if used else "its plan can't be read")
    else:
        emit(rows, _of_many(used) if used else selection.none)


def _advice(one: Used) -> list[str]:
    return [_in_flags(advice.text) for advice in advise(one.usage, one.state)]


def _in_flags(text: str) -> str:
    from slurmtf.cli.flags import FLAGS  # noqa: PLC0415 - what describes a training job

    return spell(text, FLAGS)


def _row(one: Used) -> dict[str, Any]:
    usage, times = one.usage, one.usage.times
    (cpu, cpu_used), (gpu, gpu_busy) = usage.cpu_hours, usage.gpu_hours
    return {
        "run": one.folder.name,
        "status": one.state.status.value,
        "queue_s": None if times.queue is None else round(times.queue, 1),
        "staging_s": round(times.staging, 1),
        "start_up_s": round(times.start_up, 1),
        "training_s": round(times.training, 1),
        "cpu_hours": round(cpu, 4),
        "cpu_hours_used": round(cpu_used, 4) if usage.nodes else None,
        "gpu_hours": round(gpu, 4),
        "gpu_hours_busy": round(gpu_busy, 4) if usage.gpus else None,
        "memory_asked": usage.asked.memory_mb << 20 or None,
        "memory_used": usage.memory or None,
        "source": usage.source if usage.nodes else None,
        "nodes": [asdict(node) for node in usage.nodes],
        "advice": _advice(one),
    }


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "advice": "; ".join(row["advice"])} for row in rows)
    return text.getvalue()


def _of_one(one: Used) -> str:
    usage, times = one.usage, one.usage.times
    rows = {
        "run": one.folder.name,
        "status": colour(one.state.status.value),
        "waited": duration(times.queue) if times.queue is not None else "",
        "staging": duration(times.staging) if times.staging else "",
        "start-up": duration(times.start_up),
        "training": duration(times.training),
        "CPUs": _cpus(usage),
        "memory": _memory(usage),
        "GPUs": _gpus(usage),
        "source": usage.source if usage.nodes else "none: there are no samples yet, and no accounting",
        "next time": "\n".join(_advice(one)) or _no_advice(one),
    }
    return in_rows(rows)


def _no_advice(one: Used) -> str:
    if not (one.usage.nodes and one.state.status.final):
        return ""
    return "nothing to change" if one.usage.times.training >= LEAST_S else f"too short to tell: under {LEAST_S:.0f} s"


def _cpus(usage: Usage) -> str:
    asked, used = usage.cpu_hours
    told = f"{usage.cpus_used:.2f} of {usage.cpus_per_node} on a node busy on average; " if usage.nodes else ""
    return told + _hours(asked) + (f", {_part(used, asked)} of them used" if usage.nodes and asked else "")


def _hours(asked: float, what: str = "CPU") -> str:
    """Return hours with enough digits for a short run."""
    return f"{asked:.2f} {what} hours" if asked >= 0.01 else f"{asked * 60:.2f} {what} minutes"


def _part(used: float, asked: float) -> str:
    return f"{used / asked * 100:.0f}%"


def _memory(usage: Usage) -> str:
    asked = memory_size(usage.asked.memory_mb << 20) if usage.asked.memory_mb else "the site's default"
    return f"at most {memory_size(usage.memory)} of {asked} on a node" if usage.memory else f"asked: {asked}"


def _gpus(usage: Usage) -> str:
    if not usage.asked.gpus_per_node:
        return ""
    shown = (f"{gpu.node} {gpu.number}: busy {gpu.busy:.0f} %, {_memory_of(gpu)}" for gpu in usage.gpus)
    unknown = "" if usage.gpus else "; how busy they were is not known"
    return "\n".join([_hours(usage.gpu_hours[0], "GPU") + unknown, *shown])


def _memory_of(gpu: GpuUsage) -> str:
    return f"at most {gpu.used_mb / 1024:.1f} of {gpu.total_mb / 1024:.1f} GiB"


def _of_many(used: Sequence[Used]) -> str:
    lines = [HEADING, *(_line(one) for one in used)]
    cpu = [sum(one.usage.cpu_hours[place] for one in used if one.usage.nodes) for place in (0, 1)]
    gpu = [sum(one.usage.gpu_hours[place] for one in used if one.usage.gpus) for place in (0, 1)]
    waste = f"{_part(cpu[1], cpu[0])} of {_hours(cpu[0])} were used" if cpu[0] else "no CPU hours were used"
    waste += f", {_part(gpu[1], gpu[0])} of {_hours(gpu[0], 'GPU')} busy" if gpu[0] else ""
    unknown = sum(not one.usage.nodes for one in used)
    return table(lines) + f"\n{waste}" + (f"; nothing is known of {count(unknown, 'run')}" if unknown else "")


def _line(one: Used) -> tuple[str, ...]:
    usage = one.usage
    (cpu, cpu_used), (gpu, gpu_busy) = usage.cpu_hours, usage.gpu_hours
    return (
        one.folder.name,
        colour(one.state.status.value),
        duration(usage.times.queue),
        duration(usage.times.allocated),
        f"{cpu:.2f}",
        _part(cpu_used, cpu) if usage.nodes and cpu else "",
        f"{gpu:.2f}" if gpu else "",
        _part(gpu_busy, gpu) if usage.gpus and gpu else "",
        memory_size(usage.asked.memory_mb << 20) if usage.asked.memory_mb else "",
        memory_size(usage.memory) if usage.memory else "",
        "; ".join(_in_flags(advice.what) for advice in advise(one.usage, one.state)),
    )
