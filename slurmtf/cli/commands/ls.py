"""``slurmtf ls``"""

from __future__ import annotations

import math
from collections.abc import Mapping

import click

from slurmtf.cli.output import emit, format_duration, format_table, format_time, json_option, paint_status, wants_json
from slurmtf.cli.present import build_run_data, compute_elapsed, describe_doubt
from slurmtf.cli.selecting import Selection, selection_options
from slurmtf.loading import pause_collection
from slurmtf.runs.workspaces.listing import ListedRun

NONE: Mapping[str, float | None] = {}
HEADING = ("RUN", "STATUS", "JOB", "STARTED", "TIME", "WHY")


@click.command("ls")
@click.option(
    "--number",
    "-n",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Number of runs to list, newest first; 0 lists all.",
)
@click.option("--metric", default=None, help="Show the last value of this metric and sort by it, the highest first.")
@click.option("--lowest-first", is_flag=True, help="With --metric: the lowest first.")
@selection_options
@json_option
def command(selection: Selection, number: int, metric: str | None, lowest_first: bool) -> None:
    """List runs, newest first; with --metric, sorted by its last value."""
    found = selection.find(number)
    runs = found.runs
    if not runs:
        emit([], selection.none, found.warnings)
        return
    values = {run.name: _read_last_value(run, metric) for run in runs} if metric else {}
    runs = sorted(runs, key=lambda run: _rank(values[run.name], lowest_first)) if metric else runs
    if wants_json():
        with pause_collection():
            emit(
                [{**build_run_data(run.path, run), **_build_metric_data(metric, values.get(run.name))} for run in runs],
                "",
                found.warnings,
            )
        return
    more = f"\n... and {found.more} older ones: slurmtf ls -n 0" if found.more else ""
    emit([], format_runs(runs, metric, values) + more, found.warnings)


def _read_last_value(run: ListedRun, metric: str) -> float | None:
    from slurmtf.job.contract.layout import RunLayout  # noqa: PLC0415 - here and below: a list without a metric reads none
    from slurmtf.runs.metrics.curves import read_series  # noqa: PLC0415
    from slurmtf.runs.states.sweeps import is_sweep, read_best_value  # noqa: PLC0415

    layout = RunLayout(str(run.folder))
    if is_sweep(layout):
        return read_best_value(layout, metric)
    found = read_series(layout, metric)
    return found.last if found else None


def _rank(value: float | None, lowest_first: bool) -> tuple[int, float]:
    """Return a run's sort key: runs without the metric come last, those whose value is no number before them."""
    if value is None or math.isnan(value):
        return (1 if value is not None else 2), 0.0
    return 0, value if lowest_first else -value


def _build_metric_data(metric: str | None, value: float | None) -> dict[str, object]:
    if metric is None:
        return {}
    from slurmtf.cli.metrics import to_json_number  # noqa: PLC0415

    return {"metric": {"name": metric, "last": to_json_number(value)}}


def format_runs(runs: list[ListedRun], metric: str | None = None, values: Mapping[str, float | None] = NONE) -> str:
    """Return runs as a table, with the last value of a metric next to their state."""
    rows = [format_row(run) for run in runs]
    if metric is None:
        return format_table([HEADING, *rows])
    from slurmtf.runs.metrics.curves import format_value  # noqa: PLC0415

    cells = ["" if values[run.name] is None else format_value(values[run.name] or 0.0) for run in runs]
    wide = [(*row[:2], cell, *row[2:]) for row, cell in zip(rows, cells, strict=True)]
    return format_table([(*HEADING[:2], metric, *HEADING[2:]), *wide])


def format_row(run: ListedRun) -> tuple[str, ...]:
    """Return a run as a row under HEADING."""
    found = run.brief
    why = found.why or ("" if run.is_settled else describe_doubt(run.state))
    ran = format_duration(compute_elapsed(found)) if found.started else ""
    return (run.name, paint_status(found.status), found.job_id, format_time(found.started), ran, why[:60])
