"""``slurmtf render``"""

from __future__ import annotations

import click

from slurmtf.cli.options import JobRequest, job_options
from slurmtf.cli.output import emit, note


@click.command("render")
@job_options
def command(request: JobRequest) -> None:
    """Show the batch script of TARGET, a script or a job file, without submitting. Writes no run and does not contact Slurm,
    except for the runs of --after.

    Arguments after -- go to the script.
    """
    show_script(request)


def show_script(request: JobRequest) -> None:
    """Print the script as it would be submitted, with a provisional run id."""
    plan, script = request.experiment.plan(request.estimator, run_id="RUN-ID", after=request.after)
    origin = {"profile": plan.provenance.profile, "templates": list(plan.provenance.templates)}
    emit({"script": script, **origin}, script.rstrip("\n"), plan.warnings)
    note(f"profile: {plan.provenance.profile}; templates: {', '.join(plan.provenance.templates)}", dim=True)
