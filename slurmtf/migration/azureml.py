"""Turn a file that submits to Azure ML into job files, sweeps, and a report."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmtf.documents import Document, dump_yaml
from slurmtf.errors import InputError, SpecError
from slurmtf.estimator.document import VERBATIM, from_document
from slurmtf.findings import Finding
from slurmtf.migration.draft import Draft
from slurmtf.migration.interpreter import Interpreter
from slurmtf.migration.jobs import CONFIG, ESTIMATORS, take_job
from slurmtf.migration.notes import Note, Notes
from slurmtf.migration.remainder import note_remainder
from slurmtf.migration.software import BUILDERS
from slurmtf.migration.source import Source, read_source
from slurmtf.migration.sweeps import CONFIGS, EXPRESSIONS, POLICIES, SAMPLINGS, get_job, take_sweep
from slurmtf.migration.values import Symbol, Thing
from slurmtf.runs.workspaces.workspace import EXPERIMENT

COVERED = {*ESTIMATORS, CONFIG, *CONFIGS, *EXPRESSIONS, *POLICIES, *SAMPLINGS, *BUILDERS, "Mpi", "MpiConfiguration",
        "ParameterServer", "TensorflowConfiguration"}  # fmt: skip
MENTIONS = re.compile(r"^\s*(from|import)\s+azureml\b", re.MULTILINE)


@dataclass(frozen=True)
class WrittenFile:
    """A file to write. ``is_sweep`` tells a sweep from a job."""

    name: str
    text: str
    is_sweep: bool


@dataclass(frozen=True)
class Imported:
    """The result of an import: the files to write, the notes by line, where these lines are, the name of the experiment."""

    source: Source
    files: tuple[WrittenFile, ...]
    notes: tuple[Note, ...]
    experiment: str


def read_azureml(path: Path, folder: Path) -> Imported:
    """Read a submitting script or notebook; ``folder`` is where the files will be written.

    Nothing is run or written. Raises InputError if the file can't be read, or submits nothing to Azure ML.
    """
    source = read_source(path)
    try:
        seen = Interpreter(source.tree)
    except RecursionError:
        raise InputError(Finding("too-deep", str(path), "is nested too deeply", "cut out what submits the job")) from None
    notes = Notes()
    files = tuple(_draft_files(seen, notes, path, folder))
    if not files:
        known = f"{', '.join(ESTIMATORS)}, {CONFIG} or {CONFIGS[0]}"
        what = f"builds none of azureml's {known}"
        raise InputError(Finding("no-azureml", str(path), what, "name the file that submits, not the training script"))
    note_remainder(notes, seen.things, COVERED)
    experiment = _find_experiment(seen, notes)
    return Imported(source, files, notes.sorted, experiment)


def _draft_files(seen: Interpreter, notes: Notes, path: Path, folder: Path) -> Iterator[WrittenFile]:
    sweeps = [thing for thing in seen.things if thing.is_azure and thing.name in CONFIGS]
    swept = [get_job(thing) for thing in sweeps]
    kinds = (*ESTIMATORS, CONFIG)
    submitted = [_find_submitted(call) for call in seen.things if call.name == "submit"]
    alone = [thing for thing in seen.things if thing.is_azure and thing.name in kinds]
    jobs = [thing for thing in alone if thing not in swept or thing in submitted]
    for thing, name in zip(jobs, _choose_file_names(jobs, "job"), strict=True):
        draft = Draft(notes, seen.doubtful)
        _fill(draft, thing, seen, path, folder)
        yield WrittenFile(name, _render_file(path, draft.settings), False)
    for thing, name in zip(sweeps, _choose_file_names(sweeps, "sweep"), strict=True):
        draft, job = Draft(notes, seen.doubtful), Draft(notes, seen.doubtful)
        inner = get_job(thing)
        if isinstance(inner, Thing):
            _fill(job, inner, seen, path, folder)
        else:
            notes.add_undecided(thing.line, "the estimator of the sweep is not known: write it into the sweep")
        take_sweep(draft, thing)
        _take_overrides(draft, thing, seen.things)
        yield WrittenFile(name, _render_file(path, {"estimator": job.settings, **draft.settings}), True)


def _choose_file_names(things: list[Thing], kind: str) -> list[str]:
    """Return a file name for each: by its kind if there is only one, else by its variable, or a number if that is taken."""
    if len(things) == 1:
        return [f"{kind}.yaml"]
    names: list[str] = []
    for number, thing in enumerate(things, 1):
        name = f"{thing.variable}.{kind}.yaml" if thing.variable.isascii() and thing.variable else f"{kind}-{number}.yaml"
        names.append(name if name not in names else f"{kind}-{number}.yaml")
    return names


def _render_file(path: Path, settings: dict[str, object]) -> str:
    return f"# from {path.name}, by slurmtf import-azureml\n{dump_yaml(settings)}"


def _fill(draft: Draft, thing: Thing, seen: Interpreter, path: Path, folder: Path) -> None:
    take_job(draft, thing)
    _take_overrides(draft, thing, seen.things)
    _place_source(draft, thing, path, folder)
    for finding in _find_refused(draft.settings, folder):
        draft.notes.add_undecided(thing.line, f"slurmtf refuses {finding.where}: {finding.what}. {finding.remedy}".strip())


def _find_submitted(call: Thing) -> object:
    return call.argument("config", ("config",))


def _take_overrides(draft: Draft, thing: Thing, things: list[Thing]) -> None:
    """Import what the submission changes: exp.submit(estimator, script_params=..., tags=...)."""
    for call in things:
        if call.name != "submit" or _find_submitted(call) is not thing:
            continue
        draft.notes.add_mapped(
            call.line, f"{call.text}: {'slurmtf sweep run' if thing.name in CONFIGS else 'slurmtf run'} FILE"
        )
        for name, value, line in call.iterate_arguments(()):
            if name == "config":
                continue
            if name == "script_params" and isinstance(value, dict):
                known = draft.settings.get("script_params")
                draft.take_arguments(name, {**(known if isinstance(known, dict) else {}), **value}, line)
            elif name == "tags":
                draft.notes.add_undecided(line, "tags: pass them with --tag NAME=VALUE")
            else:
                draft.notes.add_undecided(line, f"{name}: set it in the job file")


def _place_source(draft: Draft, thing: Thing, path: Path, folder: Path) -> None:
    """Write the source directory relative to the job file, and check that the script exists."""
    directory = draft.settings.get("source_directory", ".")
    source = path.parent / directory if isinstance(directory, str) else path.parent
    entry = source / str(draft.settings.get("entry_script", "train.py"))
    place = os.path.relpath(source.absolute(), folder.absolute()) if not Path(str(directory)).is_absolute() else str(directory)
    settings = {key: value for key, value in draft.settings.items() if key not in ("estimator", "source_directory")}
    draft.settings = {"estimator": draft.settings["estimator"], "source_directory": place, **settings}
    if not entry.is_file():
        draft.notes.add_undecided(thing.line, f"the script {entry} is not there: set source_directory and entry_script")
    elif MENTIONS.search(entry.read_text(encoding="utf-8", errors="replace")):
        draft.settings["azureml"] = True
        draft.notes.add_mapped(thing.line, f"{entry.name} imports azureml -> azureml: true, which serves its Run")


def _find_refused(settings: dict[str, object], folder: Path) -> Iterable[Finding]:
    """Return what slurmtf finds wrong with the settings as they are now."""
    try:
        from_document(Document(dump_yaml(settings), "job file", SpecError, VERBATIM), folder)
    except SpecError as err:
        return [finding for finding in err.findings if finding.is_error]
    return []


def _find_experiment(seen: Interpreter, notes: Notes) -> str:
    """Return the name of the experiment that the file opens; empty if it can't be determined."""
    for thing in seen.things:
        if thing.symbol == Symbol("azureml.core.Experiment") or (thing.name == "Experiment" and thing.is_azure):
            name = thing.argument("name", ("workspace", "name"))
            if isinstance(name, str) and EXPERIMENT.fullmatch(name):
                notes.add_mapped(thing.line, f"Experiment {name!r}: --experiment {name}")
                return name
            notes.add_undecided(
                thing.line, f"{thing.text}: pass --experiment with a name of 1 to 36 letters, digits, '_' and '-'"
            )
    return ""
