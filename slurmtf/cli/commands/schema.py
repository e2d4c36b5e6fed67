"""``slurmtf schema``"""

from __future__ import annotations

import json

import click

from slurmtf.cli.output import emit, json_option


@click.command("schema")
@click.argument("kind", type=click.Choice(["job", "sweep"]), default="job")
@json_option
def command(kind: str) -> None:
    """Print the JSON Schema of job files, or of sweep files.

    In such a file, the line '# yaml-language-server: $schema=PATH' has editors check and complete it.
    """
    schema = _build_schema(kind)
    emit(schema, json.dumps(schema, indent=2))


def _build_schema(kind: str) -> object:
    if kind == "sweep":
        from slurmtf.tune.document import build_sweep_schema  # noqa: PLC0415

        return build_sweep_schema()
    from slurmtf.estimator.document import build_job_schema  # noqa: PLC0415

    return build_job_schema()
