"""``slurmtf sweep``"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from slurmtf.cli import charts, completing, sweeps
from slurmtf.cli.callbacks import Callback, add_options
from slurmtf.cli.output import (
    WARNINGS_OF_SUBMISSION,
    emit,
    format_label,
    json_option,
    note,
    note_warnings,
    wants_json,
    workspace_option,
)
from slurmtf.cli.steps import Steps
from slurmtf.errors import RunNotFoundError
from slurmtf.experiments import Run, cancel_runs
from slurmtf.findings import Finding
from slurmtf.runs import RunStatus
from slurmtf.runs.logs import LogReader
from slurmtf.runs.workspaces.workspace import infer_experiment
from slurmtf.spelling import format_count
from slurmtf.tune.run import SweepRun

DETACHED = 130
POLL_S = 2.0


def submission_options(command: Callback) -> Callback:
    """Add the options of a submission to a command."""
    complete, about = completing.complete_sites, "Experiment the sweep belongs to (default: the file's name)."
    options = (
        json_option,
        workspace_option,
        click.option("--site", "-s", "compute_target", default=None, help="Site to run on.", shell_complete=complete),
        click.option("--experiment", "-x", default=None, help=about),
        click.argument("file", type=click.Path(dir_okay=False)),
    )
    return add_options(command, options)


def sweep_argument(command: Callback) -> Callback:
    command = workspace_option(json_option(command))
    return click.argument("sweep", default="last", shell_complete=completing.complete_runs)(command)


@click.group("sweep", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Search over a script's arguments: submit, follow, resume and cancel sweeps."""


@command.command("submit")
@submission_options
def submit(file: str, experiment: str | None, compute_target: str | None, workspace: str | None) -> None:
    """Submit the sweep of FILE and return at once."""
    run = _submit(file, experiment, compute_target, workspace)
    if wants_json():
        emit(sweeps.build_sweep_data(run, run.state, run.facts), "")
        return
    click.echo(run.id)
    note(f"follow it with: slurmtf sweep status {run.word}")


@command.command("run")
@submission_options
def run_(file: str, experiment: str | None, compute_target: str | None, workspace: str | None) -> None:
    """Submit the sweep of FILE and follow it. Ctrl-C detaches; the sweep continues."""
    run = _submit(file, experiment, compute_target, workspace)
    note(f"sweep {run.id} in {run.folder}", bold=True)
    try:
        _follow(run)
    except KeyboardInterrupt:
        note(f"\ndetached; the sweep continues. Follow it with: slurmtf sweep status {run.word}")
        sys.exit(DETACHED)
    state, facts = run.state, run.facts
    emit(sweeps.build_sweep_data(run, state, facts), sweeps.format_sweep(run, state, facts))
    sys.exit(state.exit_status)


def _submit(file: str, experiment: str | None, compute_target: str | None, workspace: str | None) -> SweepRun:
    from slurmtf.experiments import Experiment  # noqa: PLC0415 - who looks at a sweep does without
    from slurmtf.tune.document import from_yaml  # noqa: PLC0415

    sweep = from_yaml(file, {"compute_target": compute_target} if compute_target else None)
    with Steps() as steps:
        run = Experiment(experiment or infer_experiment(file), workspace).submit(sweep, tell=steps.tell)
    note_warnings([Finding.from_dict(data) for data in run.plan["warnings"]], WARNINGS_OF_SUBMISSION)
    return SweepRun(run.folder)


def _follow(run: SweepRun) -> None:
    """Print the progress of a sweep until it has ended: a line for each change."""
    known = ""
    while True:
        state = run.state
        line = f"{state.status.value}: {state.reason}"
        if line != known:
            note(line)
            known = line
        if state.status.final:
            return
        time.sleep(POLL_S)


@command.command("status")
@click.option("--follow", "-f", is_flag=True, help="Refresh every few seconds until the sweep has ended.")
@sweep_argument
def status(sweep: str, follow: bool, workspace: str | None) -> None:
    """Show the progress of SWEEP: its trials, their parameters and best values, its elements, the time left."""
    run = _find(sweep, workspace)
    while True:
        state, facts = run.state, run.facts
        if follow and sys.stdout.isatty():
            click.clear()
        emit(sweeps.build_sweep_data(run, state, facts), sweeps.format_sweep(run, state, facts))
        if not follow or state.status.final:
            return
        time.sleep(POLL_S)


@command.command("best")
@sweep_argument
def best(sweep: str, workspace: str | None) -> None:
    """Show the trial of SWEEP with the best value, and its parameters."""
    run = _find(sweep, workspace)
    child = run.get_best_run_by_primary_metric()
    if child is None:
        what = f"no trial has logged {run.facts.settings.metric!r} yet"
        raise RunNotFoundError(Finding("no-best", run.id, what, f"'slurmtf sweep status {run.word}' shows the trials"))
    data = {**child.to_dict(), "parameters": child.get_hyperparameters(), "folder": str(child.folder)}
    lines = [f"trial {child.trial.number}: {run.facts.settings.metric} {child.best:.6g}, {child.get_status()}"]
    lines += [f"  {name} = {value}" for name, value in child.get_hyperparameters().items()]
    emit(data, "\n".join([*lines, f"  in {child.folder}"]))


@command.command("trials")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@sweep_argument
def trials(sweep: str, as_csv: bool, workspace: str | None) -> None:
    """List the trials of SWEEP, the best one first."""
    run = _find(sweep, workspace)
    facts, state = run.facts, run.state
    data = [sweeps.build_trial_data(facts, trial, state.status) for trial in facts.trials]
    emit(
        data, sweeps.format_csv(facts, state.status) if as_csv else sweeps.format_trials(facts, state.status, len(facts.trials))
    )


@command.command("logs")
@click.argument("trial", type=int)
@sweep_argument
def logs(trial: int, sweep: str, workspace: str | None) -> None:
    """Show the logs of trial number TRIAL of SWEEP, as 'slurmtf logs' does those of a run."""
    child = _find(sweep, workspace).get_child(trial)
    reader = LogReader(child.layout, sys.stdout, label=format_label)
    if wants_json():
        emit({"trial": trial, "folder": str(child.folder), "files": [str(path) for path in reader.list_files()]}, "")
        return
    reader.show_new(history=True)
    reader.show_rest()
    if not any(path.stat().st_size for path in reader.list_files()):
        note("it has written nothing", dim=True)


@command.command("plot")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False), default=None, help="Write the plot to an .html, .svg or .png file."
)
@sweep_argument
def plot(sweep: str, output: str | None, workspace: str | None) -> None:
    """Plot the history of SWEEP, each parameter against the metric, and all of them side by side."""
    from slurmtf.plots import terminal  # noqa: PLC0415
    from slurmtf.tune.charts import build_charts  # noqa: PLC0415

    if output:
        charts.check_format(Path(output))
    run = _find(sweep, workspace)
    drawn = build_charts(run.facts, run.space)
    if output is None:
        emit(
            {"charts": [chart.title for chart in drawn]},
            "\n\n".join(terminal.to_text(terminal.render_chart(one)) for one in drawn),
        )
        return
    charts.save(Path(output), f"sweep {run.id}", drawn)
    emit({"files": [output]}, output)


@command.command("resume")
@click.option("--max-total-runs", type=int, default=None, help="Number of trials in all, with those that are done.")
@click.option("--max-concurrent-runs", type=int, default=None, help="Number of trials at once.")
@click.option("--max-duration-minutes", type=int, default=None, help="Time limit of the sweep, from now on.")
@sweep_argument
def resume(
    sweep: str,
    max_total_runs: int | None,
    max_concurrent_runs: int | None,
    max_duration_minutes: int | None,
    workspace: str | None,
) -> None:
    """Resume SWEEP, which has ended: run the trials that are not done, and more."""
    from slurmtf.tune import resuming  # noqa: PLC0415

    run = _find(sweep, workspace)
    left = resuming.resume(run, max_total_runs, max_concurrent_runs, max_duration_minutes)
    emit({"id": run.id, "trials": left}, f"{run.id}: {format_count(left, 'trial')} to do")


@command.command("cancel")
@sweep_argument
def cancel(sweep: str, workspace: str | None) -> None:
    """Cancel SWEEP: stop its trials and start no more."""
    run = _find(sweep, workspace)
    (was,) = cancel_runs([run])
    now = was.status if was.status.final else RunStatus.CANCEL_REQUESTED
    text = f"{run.id}: was {was.status.value}" if was.status.final else f"{run.id}: cancel requested"
    emit({"id": run.id, "status": now.value, "was": was.status.value}, text)


def _find(name: str, workspace: str | None) -> SweepRun:
    return SweepRun(Run.find(name, workspace).folder)
