"""``slurmtf ls``"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from slurmtf.cli.metrics import number
from slurmtf.cli.output import clock, colour, duration, emit, json_option, table, workspace_option
from slurmtf.cli.present import doubt_text, elapsed, run_data
from slurmtf.errors import RunNotFoundError
from slurmtf.findings import warning
from slurmtf.runs import Run, RunState
from slurmtf.runs.curves import last_value, value_text
from slurmtf.runs.status import states_of
from slurmtf.runs.tags import has_tags, parsed
from slurmtf.runs.workspace import known_workspaces, list_runs

NONE: Mapping[str, float | None] = {}
HEADING = ("RUN", "STATUS", "JOB", "STARTED", "TIME", "WHY")


@click.command("ls")
@click.option("--experiment", "-x", default=None, help="List only this experiment.")
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
@click.option("--tag", "tags", multiple=True, help="List only runs with this tag, NAME[=VALUE].")
@workspace_option
@json_option
def command(
    experiment: str | None, number: int, metric: str | None, lowest_first: bool, tags: tuple[str, ...], workspace: str | None
) -> None:
    """List runs, newest first; with --metric the newest ones, by its last value."""
    workspaces = known_workspaces(workspace)
    listing = list_runs(workspaces, experiment)
    warnings = [warning("unreadable", "can't be read", str(folder)) for folder in listing.unreadable]
    folders = [folder for folder in listing.folders if has_tags(folder, parsed(tags))]
    shown = folders[:number] if number else folders
    runs = list(_runs(shown))
    if not runs:
        such = "such " if experiment or tags else ""
        emit([], f"no {such}runs in {', '.join(map(str, workspaces))}; --workspace names another place", warnings)
        return
    values = {run.id: _value(run, metric) for run, _ in runs} if metric else {}
    runs = sorted(runs, key=lambda one: _rank(values[one[0].id], lowest_first)) if metric else runs
    text = table_of(runs, metric, values)
    if len(folders) > len(shown):
        text += f"\n... and {len(folders) - len(shown)} older ones: slurmtf ls -n 0"
    data = [{**run_data(run, state), **_metric_data(metric, values.get(run.id))} for run, state in runs]
    emit(data, text, warnings)


def _runs(folders: list[Path]) -> Iterator[tuple[Run, RunState]]:
    for folder, state in zip(folders, states_of(folders), strict=True):
        with contextlib.suppress(RunNotFoundError):  # removed meanwhile
            yield Run(folder), state


def _value(run: Run, metric: str) -> float | None:
    found = last_value(run.layout, metric)
    return found.last if found else None


def _rank(value: float | None, lowest_first: bool) -> tuple[int, float]:
    """Return where a run stands in the list: runs without the metric behind all, and what is no number before them."""
    if value is None or math.isnan(value):
        return (1 if value is not None else 2), 0.0
    return 0, value if lowest_first else -value


def _metric_data(metric: str | None, value: float | None) -> dict[str, Any]:
    return {"metric": {"name": metric, "last": number(value)}} if metric else {}


def table_of(runs: list[tuple[Run, RunState]], metric: str | None = None, values: Mapping[str, float | None] = NONE) -> str:
    """Return runs as a table, with the last value of a metric beside their state."""
    rows = [_row(run, state) for run, state in runs]
    if metric is None:
        return table([HEADING, *rows])
    cells = ["" if values[run.id] is None else value_text(values[run.id] or 0.0) for run, _ in runs]
    wide = [(*row[:2], cell, *row[2:]) for row, cell in zip(rows, cells, strict=True)]
    return table([(*HEADING[:2], metric, *HEADING[2:]), *wide])


def _row(run: Run, state: RunState) -> tuple[str, ...]:
    why = state.reason or state.message.partition("\n")[0].partition(";")[0] or doubt_text(state)
    ran = duration(elapsed(state)) if state.started else ""
    return (run.id, colour(state.status.value), state.job_id or "", clock(state.started), ran, why[:60])
