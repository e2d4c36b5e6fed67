"""``slurmtf cite``"""

from __future__ import annotations

import click

from slurmtf.cli import completing
from slurmtf.cli.commands.diff import account
from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.experiments import Run
from slurmtf.runs.citing import cite


@click.command("cite")
@click.argument("run", default="last", shell_complete=completing.runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Describe RUN for a paper: a methods paragraph in LaTeX, and BibTeX entries for the software it used."""
    found = cite(account(Run.find(run, workspace)))
    emit({"methods": found.methods, "bibtex": list(found.bibtex)}, "\n\n".join([found.methods, *found.bibtex]))
