"""``slurmtf rerun``"""

from __future__ import annotations

import click

from slurmtf.cli import completing
from slurmtf.cli.output import WARNINGS_OF_SUBMISSION, emit, json_option, note, note_warnings, wants_json, workspace_option
from slurmtf.cli.present import build_run_data
from slurmtf.cli.steps import Steps
from slurmtf.experiments import Run
from slurmtf.findings import Finding


@click.command("rerun")
@click.argument("run", default="last", shell_complete=completing.complete_runs)
@click.option(
    "--with",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Setting to change, time=2:00:00; for an argument of the script: --with=--learning-rate=0.1.",
)
@click.option(
    "--after",
    multiple=True,
    metavar="RUN",
    shell_complete=completing.complete_runs,
    help="Start once another run has completed (RUN), has ended (RUN:any) or has failed (RUN:notok).",
)
@workspace_option
@json_option
def command(run: str, changes: tuple[str, ...], after: tuple[str, ...], workspace: str | None) -> None:
    """Submit RUN again, with its stored source, its settings and its software. Software that is gone is rebuilt with the same
    versions."""
    from slurmtf.experiments.rerunning import parse_change, rerun  # noqa: PLC0415 - what submits

    found = Run.find(run, workspace)
    with Steps() as steps:
        again = rerun(found, dict(map(parse_change, changes)), steps.tell, after)
    warnings = [Finding.from_dict(data) for data in again.plan["warnings"]]
    if wants_json():
        emit({**build_run_data(again.folder, again.state), "rerun_of": found.id}, "", warnings)
        return
    note_warnings(warnings, WARNINGS_OF_SUBMISSION)
    click.echo(again.id)
    note(f"follow it with: slurmtf logs -f {again.word}")
