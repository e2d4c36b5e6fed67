"""``slurmtf models``"""

from __future__ import annotations

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, format_size, format_table, format_time, json_option, workspace_option
from slurmtf.errors import InputError
from slurmtf.findings import Finding
from slurmtf.models.exporting import find
from slurmtf.models.registry import Model, register
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.mlflow import tracking
from slurmtf.runs.workspaces.tags import parse

HEADING = ("MODEL", "VERSION", "KIND", "SIZE", "ONNX", "CREATED", "RUN", "TAGS")


@click.group("models", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Register, list and fetch models."""


@command.command("ls")
@click.argument("name", required=False)
@click.option("--tag", "tags", multiple=True, help="List only models with this tag, NAME=VALUE.")
@click.option("--latest", is_flag=True, help="List only the newest version of each.")
@workspace_option
@json_option
def ls(name: str | None, tags: tuple[str, ...], latest: bool, workspace: str | None) -> None:
    """List models."""
    found = Model.list(name, parse(tags), latest, workspace=workspace)
    rows = [HEADING, *map(_format_row, found)]
    emit([model.to_dict() for model in found], format_table(rows) if found else "no models are registered")


def _format_row(model: Model) -> tuple[str, ...]:
    record = model.record
    total = sum(one["bytes"] for one in record["files"].values())
    tags = ", ".join(f"{name}={value}" for name, value in model.tags.items())
    run = (record.get("run") or {}).get("id", "")
    return (
        model.name,
        str(model.version),
        record["kind"],
        format_size(total),
        "yes" if model.onnx else "",
        format_time(record["created"]),
        run,
        tags,
    )


@command.command("show")
@click.argument("model")
@workspace_option
@json_option
def show(model: str, workspace: str | None) -> None:
    """Show MODEL (NAME or NAME:VERSION), and whether its files are still as registered."""
    found = Model.find(model, workspace=workspace)
    changed = found.find_changed()
    emit({**found.to_dict(), "changed": changed}, _format_details(found, changed))


def _format_details(model: Model, changed: list[str]) -> str:
    record = model.record
    verified = record["onnx"].get("verified") or {}
    rows = {
        "model": f"{model.name}:{model.version}",
        "about": record["description"],
        "kind": record["kind"],
        "path": str(model.path),
        "sha256": record["sha256"],
        "files": f"CHANGED since they were registered: {', '.join(changed)}" if changed else "as they were registered",
        "run": (record.get("run") or {}).get("id", ""),
        "source": record["source"],
        "created": f"{format_time(record['created'])} by {record['user']}",
        "metrics": _format_pairs(record["metrics"]),
        "tags": _format_pairs(record["tags"]),
        "properties": _format_pairs(record["properties"]),
        "onnx": str(model.onnx or ""),
        "mlflow": f"{model.mlflow['name']}, version {model.mlflow['version']}" if model.mlflow else "",
        "verified": f"largest difference {verified['largest_difference']:.2g}" if verified else "",
    }
    return "\n".join(f"{name:<10} {value}" for name, value in rows.items() if value)


def _format_pairs(values: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


@command.command("register")
@click.argument("name")
@click.argument("what", metavar="RUN|PATH", shell_complete=completing.complete_runs)
@click.option(
    "--model", "-m", "model_path", default=None, help="Model to register, if the run has several: a path in its outputs."
)
@click.option("--tag", "tags", multiple=True, help="Tag NAME=VALUE to find the model by.")
@click.option("--property", "properties", multiple=True, help="Property NAME=VALUE to keep with the model.")
@click.option("--description", default="", help="Description of the model.")
@workspace_option
@json_option
def register_(
    name: str,
    what: str,
    model_path: str | None,
    tags: tuple[str, ...],
    properties: tuple[str, ...],
    description: str,
    workspace: str | None,
) -> None:
    """Register the model of a run, or a file or folder, as the next version of NAME."""
    found = find(what, workspace)
    marks, more = parse(tags), parse(properties)
    if isinstance(found, RunFolder):
        model = register(found, name, model_path, marks, more, description, workspace=workspace)
    elif model_path is not None:
        what, remedy = (
            "--model says which model of a run, and this is a path",
            "pass the path of the model itself, without --model",
        )
        raise InputError(Finding("not-of-a-run", str(found), what, remedy))
    else:
        model = Model.register(found, name, marks, more, description, workspace=workspace)
    emit(model.to_dict(), f"{model.name}:{model.version}  {model.path}", _check_mlflow())


def _check_mlflow() -> list[Finding]:
    """Return a warning if MLflow is configured but not installed here."""
    if not tracking.get_registry_uri() or tracking.is_installed():
        return []
    what = "is configured, but its package is not installed here: the model is not registered there"
    return [Finding("no-mlflow", "MLflow", what, "pip install 'slurmtf[mlflow]'", severity="warning")]


@command.command("get")
@click.argument("model")
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@click.option("--exist-ok", is_flag=True, help="Replace an existing file or folder of that name.")
@workspace_option
@json_option
def get(model: str, folder: str, exist_ok: bool, workspace: str | None) -> None:
    """Check the hash of MODEL and copy it into FOLDER."""
    path = Model.find(model, workspace=workspace).download(folder, exist_ok)
    emit({"path": str(path)}, str(path))


@command.command("rm")
@click.argument("models", nargs=-1, required=True)
@workspace_option
@json_option
def rm(models: tuple[str, ...], workspace: str | None) -> None:
    """Delete MODELS, each NAME:VERSION. Version numbers are never reused."""
    without = [text for text in models if ":" not in text]
    if without:
        raise click.UsageError(f"say which version of {without[0]}: {without[0]}:NUMBER")
    found = [Model.find(text, workspace=workspace) for text in models]
    for model in found:
        model.delete()
    names = [f"{model.name}:{model.version}" for model in found]
    emit(names, f"deleted {', '.join(names)}")
