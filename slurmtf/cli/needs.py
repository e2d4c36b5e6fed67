"""The options of commands that score or serve: the resources of their jobs."""

from __future__ import annotations

import click

from slurmtf.cli.callbacks import Callback, add_options

OPTIONS = (
    click.option(
        "--environment", default=None, help="Tool environment to use (default: ONNX Runtime's, or by how the model was saved)."
    ),
    click.option("--pip", "packages", multiple=True, help="Pip package that the score script needs; can be repeated."),
    click.option("--gpu", is_flag=True, help="Use a GPU (ONNX models)."),
    click.option("--cpus-per-task", "-c", "cpus", type=click.IntRange(min=1), default=None, help="CPUs of each job."),
    click.option("--mem", "memory", default=None, help="Memory of each job, for example 16G."),
    click.option("--partition", "-p", default=None, help="Partition to submit to."),
    click.option("--account", "-A", default=None, help="Account to charge."),
)


def needs_options(command: Callback) -> Callback:
    """Add these options to a command."""
    return add_options(command, OPTIONS)
