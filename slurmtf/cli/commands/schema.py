"""``slurmtf schema``"""

from __future__ import annotations

import json

import click

from slurmtf.cli.output import emit, json_option
from slurmtf.estimator.document import json_schema


@click.command("schema")
@json_option
def command() -> None:
    """Print the JSON Schema of job files.

    In a job file, the line '# yaml-language-server: $schema=PATH' has editors check and complete it.
    """
    schema = json_schema()
    emit(schema, json.dumps(schema, indent=2))
