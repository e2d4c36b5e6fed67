"""``slurmtf logs``"""

from __future__ import annotations

import sys

import click

from slurmtf.cli import completing
from slurmtf.cli.follow import follow
from slurmtf.cli.output import emit, format_label, json_option, note, wants_json, workspace_option
from slurmtf.errors import RunNotFoundError
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.runs.logs import LogReader


@click.command("logs")
@click.argument("run", default="last", shell_complete=completing.complete_runs)
@click.option("--follow", "-f", "following", is_flag=True, help="Follow the logs until the run has ended.")
@click.option("--role", default=None, help="Show only this role ('worker') or task ('worker-0').")
@click.option("--rank", type=int, default=None, help="Show only the task of this rank.")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=None, help="Show only the last N lines of each log.")
@click.option("--job", "job_log", is_flag=True, help="Show the job's own log: Slurm, the launcher, slurmtf.")
@workspace_option
@json_option
def command(
    run: str, following: bool, role: str | None, rank: int | None, lines: int | None, job_log: bool, workspace: str | None
) -> None:
    """Show the logs of RUN: an id, the end of one, a job id, a run folder (with a slash), or 'last'.

    With several tasks, each line is labeled with its task, and earlier output is shown in the order in which it was written.
    """
    found = Run.find(run, workspace)
    chosen = found.get_task_name(rank) if rank is not None else role
    reader = LogReader(found.layout, sys.stdout, chosen, job_log, format_label, lines)
    if wants_json():
        if not reader.list_files():
            _check_empty(found, chosen, job_log)
        emit({"files": [str(path) for path in reader.list_files()]}, "")
        return
    reader.show_new(history=True)
    if following:
        sys.exit(follow(found, reader))
    if not reader.list_files():
        _check_empty(found, chosen, job_log)
        note("the job's log is empty", dim=True)
    reader.show_rest()
    for path in sorted(reader.unreadable):
        note(f"{path} can't be read", fg="yellow")
    note(f"the run is {found.get_status()}", dim=True)


def _check_empty(run: Run, chosen: str | None, job_log: bool) -> None:
    """Raise RunNotFoundError if there is nothing to show, except for the job's log of a run that has begun."""
    if not (job_log and run.tasks):
        raise _describe_missing_log(run, chosen, job_log)


def _describe_missing_log(run: Run, chosen: str | None, job_log: bool) -> RunNotFoundError:
    what = "has no log" + (f" of {chosen}" if chosen else "")
    if run.tasks:
        return RunNotFoundError(Finding("no-log", run.id, what, f"logs there are: {', '.join(run.tasks)}"))
    status = run.state.status
    following = f"wait for it: slurmtf logs -f{' --job' * job_log} {run.word}"
    remedy = f"see 'slurmtf status {run.word}'" if status.final else following
    return RunNotFoundError(Finding("no-log", run.id, f"{what}: it is {status.value}", remedy))
