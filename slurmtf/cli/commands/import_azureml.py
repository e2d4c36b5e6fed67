"""``slurmtf import-azureml``"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from slurmtf.cli.output import emit, json_option
from slurmtf.errors import InputError
from slurmtf.files import convert_write_errors, write_private
from slurmtf.findings import Finding
from slurmtf.migration import Imported, Kind, Note, WrittenFile, read_azureml


@click.command("import-azureml")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder to write to (default: FILE's).",
)
@click.option("--force", "-f", is_flag=True, help="Overwrite existing files.")
@click.option("--dry-run", is_flag=True, help="Show what would be written without writing it.")
@json_option
def command(file: Path, output: Path | None, force: bool, dry_run: bool) -> None:
    """Turn FILE, a script or a notebook that submits to Azure ML, into job files.

    FILE is read and never run. It may build Estimator, TensorFlow, Keras, ScriptRunConfig and HyperDriveConfig. The report
    lists, line by line, what was mapped, what was dropped, and what you have to decide.
    """
    folder = output or file.parent
    imported = read_azureml(file, folder)
    if not dry_run:
        _write(imported.files, folder, force)
    emit(_build_data(imported, folder), _format_report(imported, folder, dry_run))


def _write(files: tuple[WrittenFile, ...], folder: Path, force: bool) -> None:
    there = [folder / one.name for one in files if (folder / one.name).exists()]
    if there and not force:
        raise InputError(*(Finding("exists", str(path), "is there already", "use --force, or --output") for path in there))
    with convert_write_errors(folder, "--output"):
        folder.mkdir(parents=True, exist_ok=True)
        for one in files:
            write_private(folder / one.name, one.text)


def _build_data(imported: Imported, folder: Path) -> dict[str, object]:
    return {
        "files": [
            {"path": str(folder / one.name), "kind": "sweep" if one.is_sweep else "job", "text": one.text}
            for one in imported.files
        ],
        "experiment": imported.experiment,
        "notes": [
            {"where": _format_place(imported, note), "kind": note.kind.value, "what": note.what} for note in imported.notes
        ],
    }


def _format_place(imported: Imported, note: Note) -> str:
    place = imported.source.place(note.line)
    return f"{imported.source.path.name}:{place}" if place.isdigit() else f"{imported.source.path.name}, {place}"


def _format_report(imported: Imported, folder: Path, dry_run: bool) -> str:
    lines = [f"{note.kind.value:<8} {_format_place(imported, note)}: {note.what}" for note in imported.notes]
    counts = Counter(note.kind for note in imported.notes)
    total = f"{counts[Kind.MAPPED]} mapped, {counts[Kind.DROPPED]} dropped, {counts[Kind.DECIDE]} to decide"
    if dry_run:
        shown = [f"--- {folder / one.name}\n{one.text}" for one in imported.files]
    else:
        shown = [f"wrote {folder / one.name}" for one in imported.files]
    experiment = f" --experiment {imported.experiment}" if imported.experiment else ""
    look = [f"look at it: slurmtf plan {folder / one.name}{experiment}" for one in imported.files if not one.is_sweep]
    return "\n".join([*lines, total, "", *shown, *look])
