"""``slurmtf cancel``"""

from __future__ import annotations

import click

from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.runs import Run


@click.command("cancel")
@click.argument("runs", nargs=-1, required=True)
@workspace_option
@json_option
def command(runs: tuple[str, ...], workspace: str | None) -> None:
    """End RUNS. One that has ended stays as it is."""
    found = [Run.find(name, workspace) for name in runs]
    lines, data = [], []
    for run in found:
        before = run.state
        if not before.status.final:
            run.cancel()
        lines.append(f"{run.id}: {'was ' + before.status.value if before.status.final else 'asked to end'}")
        data.append({"id": run.id, "status": run.get_status(), "was": before.status.value})
    emit(data, "\n".join(lines))
