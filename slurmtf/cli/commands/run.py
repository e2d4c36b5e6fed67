"""``slurmtf run``"""

from __future__ import annotations

import sys

import click

from slurmtf.cli.commands.render import show_script
from slurmtf.cli.commands.submit import submit
from slurmtf.cli.follow import follow
from slurmtf.cli.options import JobRequest, job_options
from slurmtf.cli.output import WARNINGS_OF_SUBMISSION, format_label, note, note_warnings, wants_json
from slurmtf.findings import Finding
from slurmtf.runs.logs import LogReader


@click.command("run")
@click.option("--dry-run", is_flag=True, help="Show the batch script and exit.")
@job_options
def command(request: JobRequest, dry_run: bool) -> None:
    """Submit TARGET, a script or a job file, and follow it. Ctrl-C detaches; the run continues.

    Arguments after -- go to the script. Exits with the run's exit code.
    """
    if dry_run:
        show_script(request)
        return
    run = submit(request)
    note_warnings([Finding.from_dict(data) for data in run.plan["warnings"]], WARNINGS_OF_SUBMISSION)
    note(f"run {run.id} in {run.folder}", bold=True)
    sys.exit(follow(run, None if wants_json() else LogReader(run.layout, sys.stdout, label=format_label)))
