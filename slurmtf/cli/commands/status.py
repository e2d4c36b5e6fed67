"""``slurmtf status``"""

from __future__ import annotations

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.cli.present import build_run_data, format_details, read_origin
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.states.state import RunState
from slurmtf.runs.workspaces.listing import list_states


@click.command("status")
@click.argument("run", default="last", shell_complete=completing.complete_runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Show the state of RUN and its cause. RUN is a run id, the end of one, a job id, a run folder, or 'last'."""
    found = RunFolder.find(run, workspace)
    state = _read_state(found)
    emit({**build_run_data(found.folder, state), **read_origin(found)}, format_details(found, state))


def _read_state(run: RunFolder) -> RunState:
    """Return the state of a run, from the index if it has ended. Raises RunNotFoundError or RunGoneError if it was removed
    since it was found."""
    listed = list_states([run.folder], max_age_s=0.0)
    if listed:
        return listed[0].state
    from slurmtf.experiments import Run  # noqa: PLC0415 - whose job may go on

    return Run(run.folder).state
