"""``slurmtf metrics``"""

from __future__ import annotations

import sys
from os.path import relpath
from pathlib import Path

import click

from slurmtf.cli import charts, completing
from slurmtf.cli.metrics import Following, csv_lines, plot, series_data, summary
from slurmtf.cli.output import emit, json_option, note, wants_json, workspace_option
from slurmtf.runs import Run
from slurmtf.runs.curves import RunSeries, charts_of, select
from slurmtf.runs.metrics import MetricsReader, trials_of
from slurmtf.runs.sweeps import is_sweep


@click.command("metrics")
@click.argument("runs", nargs=-1, shell_complete=completing.runs)
@click.option("--name", "-n", "names", multiple=True, help="Show only these metrics; * and ? match any characters.")
@click.option("--all-ranks", is_flag=True, help="Show every task, not only rank 0 or the chief.")
@click.option("--plot", "plotted", is_flag=True, help="Plot in the terminal, all runs over one another.")
@click.option("--log", is_flag=True, help="Plot on a logarithmic scale.")
@click.option("--csv", "as_csv", is_flag=True, help="Print all values as CSV.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the plot to a .svg, .png or .html file.",
)
@click.option("--follow", "-f", "following", is_flag=True, help="Show new values until the runs have ended.")
@workspace_option
@json_option
def command(
    runs: tuple[str, ...],
    names: tuple[str, ...],
    all_ranks: bool,
    plotted: bool,
    log: bool,
    as_csv: bool,
    save: Path | None,
    following: bool,
    workspace: str | None,
) -> None:
    """Show the metrics of RUNS: ids, ends of ids, job ids, run folders, or 'last' (the default). Of a sweep: those
    of its trials.

    Read are what the scripts logged with slurmtf's Run, and TensorBoard's event files.
    """
    if save:
        charts.check_format(save)
    found = [Run.find(run, workspace) for run in runs or ("last",)]
    readers = dict(reader for run in found for reader in _readers(run))
    view = Following(readers, names, all_ranks, plotted, log, as_csv)
    if following and not wants_json():
        for run in found:
            run.follow(view, None)
    view.read()
    series = select(readers, names, all_ranks)
    if save:
        charts.save(save, "Metrics", charts_of(series, log, all_ranks))
        note(f"wrote {save}")
    emit({"runs": [series_data(run, series) for run in readers]}, "" if following else _text(series, view))
    if not series:
        note(_nothing(found, names), fg="yellow")
        sys.exit(0 if wants_json() else 1)


def _readers(run: Run) -> list[tuple[str, MetricsReader]]:
    """Return what reads a run's metrics, by its id; of a sweep each trial's."""
    if is_sweep(run.layout):
        return [
            (name, MetricsReader(run.layout, relpath(own.folder, run.layout.folder), owners))
            for name, own, owners in trials_of(run.layout)
        ]
    return [(run.id, MetricsReader(run.layout))]


def _text(series: list[RunSeries], view: Following) -> str:
    if view.as_csv:
        return "\n".join(csv_lines(series))
    return plot(series, view.log, view.all_ranks) if view.plotted else summary(series, view.all_ranks)


def _nothing(runs: list[Run], names: tuple[str, ...]) -> str:
    such = f" that is called {' or '.join(names)}" if names else ""
    return f"no metric{such} has been logged yet by {', '.join(run.id for run in runs)}"
