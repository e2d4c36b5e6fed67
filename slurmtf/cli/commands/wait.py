"""``slurmtf wait``"""

from __future__ import annotations

import sys

import click

from slurmtf.cli import completing
from slurmtf.cli.follow import follow
from slurmtf.cli.output import json_option, workspace_option
from slurmtf.experiments import Run


@click.command("wait")
@click.argument("run", default="last", shell_complete=completing.complete_runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Wait for RUN and exit with its exit code: the script's own, 128 + its signal, 124 after the time limit."""
    sys.exit(follow(Run.find(run, workspace)))
