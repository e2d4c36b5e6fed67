"""``slurmtf cancel``"""

from __future__ import annotations

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.cli.present import can_be_canceled, describe_cancel_result
from slurmtf.experiments import Run, cancel_runs
from slurmtf.runs import RunState, RunStatus


@click.command("cancel")
@click.argument("runs", nargs=-1, required=True, shell_complete=completing.complete_runs)
@workspace_option
@json_option
def command(runs: tuple[str, ...], workspace: str | None) -> None:
    """Cancel RUNS. A run that has ended is left as it is."""
    named = {run.id: run for run in (Run.find(name, workspace) for name in runs)}
    found = list(zip(named, cancel_runs(list(named.values())), strict=True))
    text = "\n".join(f"{run_id}: {describe_cancel_result(state)}" for run_id, state in found)
    emit([{"id": run_id, "status": _infer_status(state).value, "was": state.status.value} for run_id, state in found], text)


def _infer_status(state: RunState) -> RunStatus:
    return RunStatus.CANCEL_REQUESTED if can_be_canceled(state) else state.status
