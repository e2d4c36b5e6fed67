"""``slurmtf diff``"""

from __future__ import annotations

from itertools import groupby

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, format_table, json_option, workspace_option
from slurmtf.errors import RunNotFoundError
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.runs.metrics.curves import format_value
from slurmtf.runs.receipts.differences import Difference, compare
from slurmtf.runs.receipts.receipt import Account, list_source_files, read_account

LONGEST = 60


@click.command("diff")
@click.argument("first", shell_complete=completing.complete_runs)
@click.argument("second", default="last", shell_complete=completing.complete_runs)
@workspace_option
@json_option
def command(first: str, second: str, workspace: str | None) -> None:
    """Show what differs between two runs: source, settings, software, nodes, metrics, outcome."""
    runs = [Run.find(name, workspace) for name in (first, second)]
    accounts = [load_account(run) for run in runs]
    found = compare(accounts[0], accounts[1], (list_source_files(runs[0].layout), list_source_files(runs[1].layout)))
    data = {"first": runs[0].id, "second": runs[1].id, "differences": [one._asdict() for one in found]}
    emit(data, _format_differences(runs, found))


def load_account(run: Run) -> Account:
    """Return what is known of a run. Raises RunNotFoundError if its plan or receipt can't be read."""
    try:
        return read_account(run.layout, run.state)
    except (OSError, ValueError) as err:
        raise RunNotFoundError(Finding("unreadable-run", run.id, f"its plan or receipt can't be read: {err}")) from None


def _format_differences(runs: list[Run], found: list[Difference]) -> str:
    if not found:
        return f"{runs[0].id} and {runs[1].id} do not differ"
    rows = [("", runs[0].id, runs[1].id)]
    for section, several in groupby(found, lambda one: one.section):
        rows.append((section.upper(), "", ""))
        rows += [(f"  {one.name}", _format_value(one.first), _format_value(one.second)) for one in several]
    return format_table(rows)


def _format_value(value: object) -> str:
    if value is None:
        return "-"
    text = format_value(value) if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
