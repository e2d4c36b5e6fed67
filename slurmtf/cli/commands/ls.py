"""``slurmtf ls``"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from slurmtf.cli.output import clock, colour, duration, emit, json_option, workspace_option
from slurmtf.cli.present import doubt_text, elapsed, run_data
from slurmtf.errors import RunNotFoundError
from slurmtf.findings import warning
from slurmtf.runs import Run, RunState
from slurmtf.runs.status import states_of
from slurmtf.runs.tags import has_tags, parsed
from slurmtf.runs.workspace import known_workspaces, list_runs

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
@click.option("--tag", "tags", multiple=True, help="List only runs with this tag, NAME[=VALUE].")
@workspace_option
@json_option
def command(experiment: str | None, number: int, tags: tuple[str, ...], workspace: str | None) -> None:
    """List runs, newest first."""
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
    text = table_of(runs)
    if len(folders) > len(shown):
        text += f"\n... and {len(folders) - len(shown)} older ones: slurmtf ls -n 0"
    emit([run_data(run, state) for run, state in runs], text, warnings)


def _runs(folders: list[Path]) -> Iterator[tuple[Run, RunState]]:
    for folder, state in zip(folders, states_of(folders), strict=True):
        with contextlib.suppress(RunNotFoundError):  # removed meanwhile
            yield Run(folder), state


def table_of(runs: list[tuple[Run, RunState]]) -> str:
    from slurmtf.cli.output import table  # noqa: PLC0415

    return table([HEADING, *(_row(run, state) for run, state in runs)])


def _row(run: Run, state: RunState) -> tuple[str, ...]:
    why = state.reason or state.message.partition("\n")[0].partition(";")[0] or doubt_text(state)
    ran = duration(elapsed(state)) if state.started else ""
    return (run.id, colour(state.status.value), state.job_id or "", clock(state.started), ran, why[:60])
