"""``slurmtf submit``"""

from __future__ import annotations

import shutil

import click

from slurmtf.cli.commands.render import show_script
from slurmtf.cli.options import JobRequest, job_options
from slurmtf.cli.output import WARNINGS_OF_SUBMISSION, emit, note, note_warnings, wants_json
from slurmtf.cli.steps import Steps
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.sites.search import THIS_MACHINE, get_default_site


@click.command("submit")
@click.option("--dry-run", is_flag=True, help="Show the batch script and exit.")
@job_options
def command(request: JobRequest, dry_run: bool) -> None:
    """Submit TARGET, a script or a job file, and return at once.

    Arguments after -- go to the script.
    """
    if dry_run:
        show_script(request)
        return
    run = submit(request)
    warnings = [Finding.from_dict(data) for data in run.plan["warnings"]]
    if wants_json():
        from slurmtf.cli.present import build_run_data  # noqa: PLC0415 - 8 ms of diagnosis and plots that nobody else waits for

        emit(build_run_data(run.folder, run.state), "", warnings)
        return
    note_warnings(warnings, WARNINGS_OF_SUBMISSION)
    click.echo(run.id)
    note(f"follow it with: slurmtf logs -f {run.word}")


def submit(request: JobRequest) -> Run:
    """Submit a training job, say so on standard error, and return its run."""
    if request.estimator.compute_target is None and get_default_site() == THIS_MACHINE and shutil.which("sbatch"):
        note("this runs on this machine, not through Slurm: pass --site, or set default_site", fg="yellow")
    note(f"submitting {request.estimator.script} from {request.estimator.source_directory}", dim=True)
    with Steps() as steps:
        return request.experiment.submit(request.estimator, request.tags, after=request.after, tell=steps.tell)
