"""``slurmtf score``"""

from __future__ import annotations

from typing import Any

import click

from slurmtf.cli.needs import needs_options
from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.cli.steps import Steps
from slurmtf.models.scoring import score


@click.command("score")
@click.argument("model", metavar="MODEL[:VERSION]|PATH")
@click.option(
    "--input", "-i", "inputs", multiple=True, required=True, help="A file, folder or pattern in quotes; can be repeated."
)
@click.option(
    "--output", "-o", type=click.Path(file_okay=False), default=None, help="The folder for the scores (scores-MODEL)."
)
@click.option(
    "--shards", type=click.IntRange(min=1), default=1, show_default=True, help="Into how many parts; on Slurm a job array."
)
@click.option("--script", type=click.Path(dir_okay=False), default=None, help="A score script: init() and run(data).")
@click.option(
    "--batch", type=click.IntRange(min=1), default=None, help="How many rows at a time (default: by the size of a row)."
)
@click.option("--rejects", is_flag=True, help="Go on without rows that can't be scored; they stand in rejects.jsonl.")
@click.option("--site", "-s", default=None, help="Where it is scored (default: your site).")
@needs_options
@click.option("--time", "-t", "time_limit", default=None, help="The time limit of each shard's job.")
@workspace_option
@json_option
def command(model: str, inputs: tuple[str, ...], workspace: str | None, **options: Any) -> None:
    """Score files with a registered model, or with one at a path.

    Files are .npy, .npz, .csv, .parquet, .tfrecord and images. The scores are in scores.npz in the order of the rows, the same
    for any number of shards. The same command again goes on where it ended.
    """
    with Steps() as steps:
        found = score(model, inputs, workspace=workspace, tell=steps.tell, **options)
    rate = found["rows_per_second_of_a_shard"]
    lines = [
        found["scores"],
        f"{_counted(found['rows'], 'row')} in {_counted(found['shards'], 'shard')}, {found['seconds']} s"
        + (f", {rate} rows a second in each" if rate else ""),
        f"rejected: {_counted(found['rejected'], 'row')}, see {found['folder']}/rejects.jsonl" if found["rejected"] else "",
    ]
    emit(found, "\n".join(filter(None, lines)))


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
