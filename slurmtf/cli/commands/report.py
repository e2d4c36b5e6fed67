"""``slurmtf report``"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import asdict

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, format_duration, format_table, json_option, paint_status
from slurmtf.cli.present import format_rows
from slurmtf.cli.selecting import Selection, selection_options
from slurmtf.diagnosis.asking import LEAST_S, advise
from slurmtf.estimator.quantities import format_memory
from slurmtf.experiments import Run
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.runs.reporting import ReportedRun, measure
from slurmtf.runs.usage import GpuUsage, Usage
from slurmtf.runs.workspaces.listing import ListedRun
from slurmtf.spelling import format_count, spell

COLUMNS = ("run", "status", "queue_s", "staging_s", "start_up_s", "training_s", "cpu_hours", "cpu_hours_used", "gpu_hours",
           "gpu_hours_busy", "memory_asked", "memory_used", "source", "advice")  # fmt: skip
HEADING = ("RUN", "STATUS", "QUEUE", "TIME", "CPU HOURS", "USED", "GPU HOURS", "BUSY", "MEMORY", "USED", "ADVICE")


@click.command("report")
@click.argument("run", required=False, shell_complete=completing.complete_runs)
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
        used = measure([ListedRun(str(found.folder), found.state)], now)
    else:
        used = measure(selection.find(number).runs, now)
    rows = [_build_row(one) for one in used]
    if as_csv:
        emit(rows, _format_csv(rows).rstrip("\n"))
    elif run is not None:
        emit(rows, _format_run(used[0]) if used else "its plan can't be read")
    else:
        emit(rows, _format_runs(used) if used else selection.none)


def _list_advice(one: ReportedRun) -> list[str]:
    return [_spell_as_flags(advice.text) for advice in advise(one.usage, one.state)]


def _spell_as_flags(text: str) -> str:
    from slurmtf.cli.flags import FLAGS  # noqa: PLC0415 - what describes a training job

    return spell(text, FLAGS)


def _build_row(one: ReportedRun) -> dict[str, object]:
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
        "memory_asked": usage.requested.memory_mb << 20 or None,
        "memory_used": usage.memory or None,
        "source": usage.source if usage.nodes else None,
        "nodes": [asdict(node) for node in usage.nodes],
        "advice": _list_advice(one),
    }


def _format_csv(rows: Sequence[JsonObject]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "advice": "; ".join(row["advice"])} for row in rows)
    return text.getvalue()


def _format_run(one: ReportedRun) -> str:
    usage, times = one.usage, one.usage.times
    rows = {
        "run": one.folder.name,
        "status": paint_status(one.state.status.value),
        "waited": format_duration(times.queue) if times.queue is not None else "",
        "staging": format_duration(times.staging) if times.staging else "",
        "start-up": format_duration(times.start_up),
        "training": format_duration(times.training),
        "CPUs": _format_cpus(usage),
        "memory": _format_memory(usage),
        "GPUs": _format_gpus(usage),
        "source": usage.source if usage.nodes else "none: there are no samples yet, and no accounting",
        "next time": "\n".join(_list_advice(one)) or _describe_no_advice(one),
    }
    return format_rows(rows)


def _describe_no_advice(one: ReportedRun) -> str:
    if not (one.usage.nodes and one.state.status.final):
        return ""
    return "nothing to change" if one.usage.times.training >= LEAST_S else f"too short to tell: under {LEAST_S:.0f} s"


def _format_cpus(usage: Usage) -> str:
    asked, used = usage.cpu_hours
    busy = f"{usage.cpus_used:.2f} of {usage.cpus_per_node} on a node busy on average; " if usage.nodes else ""
    return busy + _format_hours(asked) + (f", {_format_percent(used, asked)} of them used" if usage.nodes and asked else "")


def _format_hours(asked: float, what: str = "CPU") -> str:
    """Return hours with enough digits for a short run."""
    return f"{asked:.2f} {what} hours" if asked >= 0.01 else f"{asked * 60:.2f} {what} minutes"


def _format_percent(used: float, asked: float) -> str:
    return f"{used / asked * 100:.0f}%"


def _format_memory(usage: Usage) -> str:
    asked = format_memory(usage.requested.memory_mb << 20) if usage.requested.memory_mb else "the site's default"
    return f"at most {format_memory(usage.memory)} of {asked} on a node" if usage.memory else f"asked: {asked}"


def _format_gpus(usage: Usage) -> str:
    if not usage.requested.gpus_per_node:
        return ""
    shown = (f"{gpu.node} {gpu.number}: busy {gpu.busy:.0f} %, {_format_gpu_memory(gpu)}" for gpu in usage.gpus)
    unknown = "" if usage.gpus else "; how busy they were is not known"
    return "\n".join([_format_hours(usage.gpu_hours[0], "GPU") + unknown, *shown])


def _format_gpu_memory(gpu: GpuUsage) -> str:
    return f"at most {gpu.used_mb / 1024:.1f} of {gpu.total_mb / 1024:.1f} GiB"


def _format_runs(used: Sequence[ReportedRun]) -> str:
    lines = [HEADING, *(_format_row(one) for one in used)]
    cpu = [sum(one.usage.cpu_hours[place] for one in used if one.usage.nodes) for place in (0, 1)]
    gpu = [sum(one.usage.gpu_hours[place] for one in used if one.usage.gpus) for place in (0, 1)]
    waste = f"{_format_percent(cpu[1], cpu[0])} of {_format_hours(cpu[0])} were used" if cpu[0] else "no CPU hours were used"
    waste += f", {_format_percent(gpu[1], gpu[0])} of {_format_hours(gpu[0], 'GPU')} busy" if gpu[0] else ""
    unknown = sum(not one.usage.nodes for one in used)
    return format_table(lines) + f"\n{waste}" + (f"; nothing is known of {format_count(unknown, 'run')}" if unknown else "")


def _format_row(one: ReportedRun) -> tuple[str, ...]:
    usage = one.usage
    (cpu, cpu_used), (gpu, gpu_busy) = usage.cpu_hours, usage.gpu_hours
    return (
        one.folder.name,
        paint_status(one.state.status.value),
        format_duration(usage.times.queue),
        format_duration(usage.times.allocated),
        f"{cpu:.2f}",
        _format_percent(cpu_used, cpu) if usage.nodes and cpu else "",
        f"{gpu:.2f}" if gpu else "",
        _format_percent(gpu_busy, gpu) if usage.gpus and gpu else "",
        format_memory(usage.requested.memory_mb << 20) if usage.requested.memory_mb else "",
        format_memory(usage.memory) if usage.memory else "",
        "; ".join(_spell_as_flags(advice.what) for advice in advise(one.usage, one.state)),
    )
