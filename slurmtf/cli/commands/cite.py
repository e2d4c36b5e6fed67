"""``slurmtf cite``"""

from __future__ import annotations

import click

from slurmtf.cli import completing
from slurmtf.cli.commands.diff import load_account
from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.errors import InputError
from slurmtf.experiments import Run
from slurmtf.runs.receipts.citing import check_citable, cite


@click.command("cite")
@click.argument("run", default="last", shell_complete=completing.complete_runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Describe RUN for a paper: a methods paragraph in LaTeX, and BibTeX entries for the software it used."""
    known = load_account(Run.find(run, workspace))
    doubtful = check_citable(known)
    if any(one.severity == "error" for one in doubtful):
        raise InputError(*doubtful)
    found = cite(known)
    emit({"methods": found.methods, "bibtex": list(found.bibtex)}, "\n\n".join([found.methods, *found.bibtex]), doubtful)
