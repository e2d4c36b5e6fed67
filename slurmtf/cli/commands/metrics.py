"""``slurmtf metrics``"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path

import click

from slurmtf.cli import charts, completing
from slurmtf.cli.metrics import (
    Found,
    MetricsFollower,
    OtherOf,
    build_series_data,
    format_others,
    format_summary,
    iterate_csv_lines,
    plot,
)
from slurmtf.cli.output import emit, json_option, note, wants_json, workspace_option
from slurmtf.experiments import Run
from slurmtf.runs.metrics.curves import RunSeries, build_charts
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.reading import iterate_trials, walk_children, walk_descendants
from slurmtf.runs.states.sweeps import is_sweep


@click.command("metrics")
@click.argument("runs", nargs=-1, shell_complete=completing.complete_runs)
@click.option("--name", "-n", "names", multiple=True, help="Show only these metrics; * and ? match any characters.")
@click.option("--all-ranks", is_flag=True, help="Show every task, not only rank 0 or the chief.")
@click.option("--recursive", "-r", is_flag=True, help="Include child runs and trials.")
@click.option("--plot", "plotted", is_flag=True, help="Plot in the terminal, all runs in one chart.")
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
    recursive: bool,
    plotted: bool,
    log: bool,
    as_csv: bool,
    save: Path | None,
    following: bool,
    workspace: str | None,
) -> None:
    """Show the metrics of RUNS: ids, ends of ids, job ids, run folders, or 'last' (the default). For a sweep, those
    of its trials.

    Metrics come from what scripts log with slurmtf's Run, and from TensorBoard's event files.
    """
    if save:
        charts.check_format(save)
    found = [Run.find(run, workspace) for run in runs or ("last",)]
    view = MetricsFollower(
        lambda: (one for run in found for one in _iterate_runs(run, recursive)), names, all_ranks, plotted, log, as_csv
    )
    if following and not wants_json():
        for run in found:
            run.follow(view, None)
    series = view.read()
    if save:
        charts.save(save, "Metrics", build_charts(series, log, all_ranks))
        note(f"wrote {save}")
    others = view.list_others()
    emit(
        {"runs": [build_series_data(run, series, others) for run in view.readers]},
        "" if following else _format_metrics(series, view, others),
    )
    if not recursive and not following:
        _note_child_runs(found)
    if not series and not others:
        note(_describe_missing(found, names), fg="yellow")
        sys.exit(0 if wants_json() else 1)


def _iterate_runs(run: Run, recursive: bool) -> Iterator[Found]:
    """Yield the run, or the trials of a sweep, with what is needed to read the metrics."""
    layout, owners = run.layout, Owners(run.layout)
    if recursive or not is_sweep(layout):
        yield run.id, layout, "", owners
    within = walk_descendants(layout, owners) if recursive else iterate_trials(layout)
    yield from ((name, layout, relpath(own.folder, layout.folder), its) for name, own, its in within)


def _format_metrics(series: list[RunSeries], view: MetricsFollower, others: list[OtherOf]) -> str:
    if view.as_csv:
        return "\n".join(iterate_csv_lines(series))
    if view.plotted:
        return plot(series, view.log, view.all_ranks)
    return "\n\n".join(filter(None, (format_summary(series, view.all_ranks), format_others(others, view.all_ranks))))


def _note_child_runs(runs: list[Run]) -> None:
    with_children = [run.id for run in runs if any(True for _ in walk_children(run.layout))]
    if with_children:
        note(f"{', '.join(with_children)} has child runs: --recursive shows their metrics too", dim=True)


def _describe_missing(runs: list[Run], names: tuple[str, ...]) -> str:
    such = f" that is called {' or '.join(names)}" if names else ""
    return f"no metric{such} has been logged yet by {', '.join(run.id for run in runs)}"
