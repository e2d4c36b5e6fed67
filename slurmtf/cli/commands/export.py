"""``slurmtf export``"""

from __future__ import annotations

from typing import Any

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, format_size, json_option, workspace_option
from slurmtf.cli.steps import Steps
from slurmtf.environments.tools import TOOLS
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.models.exporting import DEFAULT_OPSET, TOLERANCE, export, find


def _split_names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:  # noqa: ARG001
    return tuple(filter(None, (name.strip() for name in (value or "").split(","))))


@click.command("export")
@click.argument("what", metavar="RUN|PATH", shell_complete=completing.complete_runs)
@click.option("--model", "-m", default=None, help="Model to export, if there are several: its path, file name or stem.")
@click.option("--format", "form", type=click.Choice(["onnx"]), default="onnx", show_default=True, help="Format of the file.")
@click.option("--opset", type=int, default=DEFAULT_OPSET, show_default=True, help="ONNX operator set.")
@click.option("--inputs", callback=_split_names, help="Input tensors of a TensorFlow 1 checkpoint, separated by commas (x:0).")
@click.option("--outputs", callback=_split_names, help="Output tensors of a TensorFlow 1 checkpoint.")
@click.option("--signature", default=None, help="Signature of a SavedModel (default: serving_default).")
@click.option("--name", "-n", default=None, help="Name of the file, which is written beside the model (default: the model's).")
@click.option("--samples", type=click.Path(dir_okay=False), default=None, help="Real inputs to verify with, an .npz.")
@click.option(
    "--tolerance",
    type=float,
    default=TOLERANCE,
    show_default=True,
    help="Largest relative difference from TensorFlow's results.",
)
@click.option(
    "--environment",
    type=click.Choice(list(TOOLS)[:2]),
    default=None,
    help="Tool environment to convert in (default: by how the model was saved).",
)
@click.option("--site", "-s", default=None, help="Site to convert on (default: the run's, or else yours).")
@workspace_option
@json_option
def command(what: str, form: str, workspace: str | None, **options: Any) -> None:  # noqa: ARG001
    """Export the model of a run, or at a path, to ONNX, and verify it.

    onnxruntime runs the file on batches of 1, 3 and 64; its results must match TensorFlow's, or no file is written.
    """
    with Steps() as steps:
        record = export(find(what, workspace), workspace=workspace, tell=steps.tell, **options)
    emit(record, _format_record(record))


def _format_record(record: JsonObject) -> str:
    verified = record["verified"]
    batches = ", ".join(map(str, verified["batches"]))
    return "\n".join(
        (
            f"{record['file']} ({format_size(record['bytes'])}, opset {record['opset']})",
            f"inputs    {', '.join(_format_input(name, one) for name, one in record['inputs'].items())}",
            f"outputs   {', '.join(record['outputs'])}",
            f"verified  at batch {batches} on {verified['inputs']} inputs; the largest difference from TensorFlow is "
            f"{verified['largest_difference']:.2g}",
        )
    )


def _format_input(name: str, spec: JsonObject) -> str:
    return f"{name} {spec['dtype']}[{', '.join('?' if one is None else str(one) for one in spec['shape'])}]"
