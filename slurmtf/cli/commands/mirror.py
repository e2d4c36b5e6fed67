"""``slurmtf mirror``"""

from __future__ import annotations

from contextlib import ExitStack

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, json_option, note, workspace_option
from slurmtf.experiments import Run
from slurmtf.runs.mlflow.mirroring import Mirror, MirrorFollower, SentCounts
from slurmtf.runs.mlflow.tracking import get_tracking_uri, hide_passwords


@click.command("mirror")
@click.argument("runs", nargs=-1, shell_complete=completing.complete_runs)
@click.option("--follow", "-f", "following", is_flag=True, help="Send what is new until the runs have ended.")
@click.option("--all-ranks", is_flag=True, help="Send the metrics of every task, not only of rank 0 or the chief.")
@workspace_option
@json_option
def command(runs: tuple[str, ...], following: bool, all_ranks: bool, workspace: str | None) -> None:
    """Copy RUNS (default: the last one) into the MLflow of $MLFLOW_TRACKING_URI.

    Sends the parameters, metrics, tags, receipt and outputs that MLflow does not have yet. Safe to call again, while a run is
    active and afterwards.
    """
    found = [Run.find(run, workspace) for run in runs or ("last",)]
    with ExitStack() as opened:
        mirrors = [opened.enter_context(Mirror(run, all_ranks)) for run in found]
        view = MirrorFollower(mirrors, lambda text: note(text, fg="yellow"))
        for run in found if following else ():
            run.follow(view, None)
        if not following:
            view.show_rest()
        data = [_build_data(mirror, view.sent[mirror.run.id]) for mirror in mirrors]
    emit({"uri": hide_passwords(get_tracking_uri()), "runs": data}, "\n".join(map(_format_result, data)))


def _build_data(mirror: Mirror, sent: SentCounts) -> dict[str, object]:
    run = mirror.run
    return {"run": run.id, "experiment": run.experiment, "run_id": mirror.run_id, "values": sent.values, "files": sent.files}


def _format_result(data: dict[str, object]) -> str:
    return f"{data['run']}  {data['run_id']}  new in MLflow: {data['values']} values, {data['files']} files"
