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
@click.option("--input", "-i", "inputs", multiple=True, required=True, help="File, folder or quoted pattern; can be repeated.")
@click.option(
    "--output", "-o", type=click.Path(file_okay=False), default=None, help="Folder for the scores (default: scores-MODEL)."
)
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of parts to score in; on Slurm, a job array.",
)
@click.option("--script", type=click.Path(dir_okay=False), default=None, help="Score script with init() and run(data).")
@click.option("--batch", type=click.IntRange(min=1), default=None, help="Rows per batch (default: by the size of a row).")
@click.option("--rejects", is_flag=True, help="Skip rows that can't be scored, and list them in rejects.jsonl.")
@click.option("--site", "-s", default=None, help="Site to score on (default: yours).")
@needs_options
@click.option("--time", "-t", "time_limit", default=None, help="Time limit of each shard's job.")
@workspace_option
@json_option
def command(model: str, inputs: tuple[str, ...], workspace: str | None, **options: Any) -> None:
    """Score files with a registered model, or with one at a path.

    Files may be .npy, .npz, .csv, .parquet, .tfrecord or images. scores.npz holds the scores in the order of the rows, whatever
    the number of shards. Repeating the command resumes where it stopped.
    """
    with Steps() as steps:
        found = score(model, inputs, workspace=workspace, tell=steps.tell, **options)
    rate = found["rows_per_second_of_a_shard"]
    lines = [
        found["scores"],
        f"{_format_count(found['rows'], 'row')} in {_format_count(found['shards'], 'shard')}, {found['seconds']} s"
        + (f", {rate} rows a second in each" if rate else ""),
        f"rejected: {_format_count(found['rejected'], 'row')}, see {found['folder']}/rejects.jsonl"
        if found["rejected"]
        else "",
    ]
    emit(found, "\n".join(filter(None, lines)))


def _format_count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
