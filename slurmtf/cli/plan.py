"""``slurmtf plan``"""

from __future__ import annotations

import json

import click

from slurmtf.cli.options import Training, training_options
from slurmtf.cli.output import emit
from slurmtf.cli.present import plan_text


@click.command("plan")
@training_options
def command(training: Training) -> None:
    """Show what would be decided for TARGET, a script or a job file. Writes nothing, submits nothing, asks no Slurm.

    Arguments of the script stand after --.
    """
    plan, _ = training.experiment.plan(training.estimator, run_id="RUN-ID")
    emit(json.loads(plan.to_json()), plan_text(plan), plan.warnings)
