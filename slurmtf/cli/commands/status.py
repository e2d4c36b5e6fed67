"""``slurmtf status``"""

from __future__ import annotations

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.cli.present import details, origin, run_data
from slurmtf.experiments import Run


@click.command("status")
@click.argument("run", default="last", shell_complete=completing.runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Show the state of RUN, and why: a run id, the end of one, a job id, a run folder, or 'last'."""
    found = Run.find(run, workspace)
    state = found.state
    emit({**run_data(found.folder, state), **origin(found)}, details(found, state))
