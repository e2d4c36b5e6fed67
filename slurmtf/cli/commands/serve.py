"""``slurmtf serve``"""

from __future__ import annotations

import shlex
from typing import Any

import click

from slurmtf.cli.needs import needs_options
from slurmtf.cli.output import emit, json_option, workspace_option
from slurmtf.cli.steps import Steps
from slurmtf.serving import BODY_MB, LIMIT_S, START_S, TIME, USUAL_PORT, Service, serve


@click.command("serve")
@click.argument("model", metavar="MODEL[:VERSION]|PATH")
@click.option("--script", type=click.Path(dir_okay=False), default=None, help="Score script with init() and run(data).")
@click.option("--site", "-s", default=None, help="Site to serve on (default: yours).")
@click.option("--time", "-t", "time_limit", default=TIME, show_default=True, help="Time limit, after which the service ends.")
@needs_options
@click.option(
    "--request-seconds",
    type=click.FloatRange(min=0.1),
    default=LIMIT_S,
    show_default=True,
    help="Longest time for a request, in seconds.",
)
@click.option(
    "--start-seconds",
    type=click.FloatRange(min=0.1),
    default=START_S,
    show_default=True,
    help="Longest time for the scoring process to start, init() included, in seconds.",
)
@click.option(
    "--body-megabytes",
    type=click.FloatRange(min=0.001),
    default=BODY_MB,
    show_default=True,
    help="Largest body of a request, in MB.",
)
@workspace_option
@json_option
def command(model: str, **options: Any) -> None:
    """Serve a registered model, or one at a path, over HTTP, to try it: POST {"data": ...} to /score.

    The service is a run, on this machine or in a job: 'slurmtf logs' shows its output, 'slurmtf cancel' stops it.
    Each request needs the token from a private file.
    """
    with Steps() as steps:
        service = serve(model, tell=steps.tell, **options)
    emit(
        {
            "run": service.run.id,
            "url": service.url,
            "score": f"{service.url}/score",
            "schema": f"{service.url}/swagger.json",
            "authorization": str(service.authorization),
            "ssh": service.ssh,
        },
        _format_service(service),
    )


def _format_service(service: Service) -> str:
    header = shlex.join(["-H", f"@{service.authorization}"])
    return "\n".join(
        (
            f"{service.url}/score is ready until 'slurmtf cancel {service.run.word}' or its time limit",
            f"schema             curl {header} {service.url}/swagger.json",
            f"score              curl {header} -d '{{\"data\": [...]}}' {service.url}/score",
            f"from your machine  {service.ssh}",
            f"                   and http://localhost:{USUAL_PORT}/score, with the header of that file",
        )
    )
