"""``slurmtf logs``"""

from __future__ import annotations

import sys

import click

from slurmtf.cli.follow import follow
from slurmtf.cli.options import workspace_option
from slurmtf.cli.output import emit, json_option, note, wants_json
from slurmtf.errors import Problem, RunNotFoundError
from slurmtf.runs import Run
from slurmtf.runs.logs import LogReader


@click.command("logs")
@click.argument("run", default="last")
@click.option("--follow", "-f", "following", is_flag=True, help="Go on until the run has ended.")
@click.option("--role", default=None, help="Only this role ('worker') or task ('worker-0').")
@click.option("--job", "job_log", is_flag=True, help="The job's own log: Slurm, the launcher, slurmtf.")
@workspace_option
@json_option
def command(run: str, following: bool, role: str | None, job_log: bool, workspace: str | None) -> None:
    """Show the logs of RUN: an id, the end of one, a job id, a run folder, or 'last'."""
    found = Run.find(run, workspace)
    reader = LogReader(found.layout, sys.stdout, role, job_log)
    if wants_json():
        emit({"files": [str(path) for path in reader.files()]}, "")
        return
    if following:
        sys.exit(follow(found, reader))
    if not reader.files():
        what = "has no log" + (f" of {role}" if role else " yet")
        raise RunNotFoundError(Problem(found.id, what, f"logs there are: {', '.join(found.tasks) or 'none'}"))
    reader.show_rest()
    note(f"the run is {found.get_status()}", dim=True)
