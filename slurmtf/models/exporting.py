"""Export a saved model to a verified ONNX file; slurmtf/models/tool/conversion.py has the routes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurmtf._version import __version__
from slurmtf.environments.building import Tell
from slurmtf.environments.store import resolve_store
from slurmtf.errors import InputError, SlurmtfError, suggest
from slurmtf.files import compute_age, convert_write_errors, read_json, write_json
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject, JsonView
from slurmtf.models.hashes import compute_digest
from slurmtf.models.sources import KINDS, Source, choose_source, choose_tool_environment, list_sources
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.workspaces.workspace import list_workspaces, resolve_workspace
from slurmtf.sites import resolve_target
from slurmtf.submit.tools import JOBS, Toolbox

OPSETS = range(7, 19)
"""The opsets that the converter can write (tf2onnx 1.17)."""
DEFAULT_OPSET = 17
TOLERANCE = 1e-4
RECORD = ".export.json"
WORK = ".export-"
OUTPUT, REQUEST, RESULT = "model.onnx", "request.json", "request.json.result.json"
"""The files in such a folder."""
LEFT_S = 86400
"""Age in seconds after which no process works in such a folder any more."""
ROOM_BYTES = 1024 * 1024
"""What a conversion writes in addition to the weights, roughly."""
ANOTHER_FOLDER = "another folder"


class NotConvertibleError(SlurmtfError):
    """No ONNX file matches the model; none was left."""


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    ``tolerance``: the largest difference between two results, relative to 1 + their magnitude. ``samples``: an npz file with
    real rows for each input; by default inputs are drawn.
    """

    source: Source
    target: Path
    opset: int = DEFAULT_OPSET
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    signature: str | None = None
    samples: Path | None = None
    tolerance: float = TOLERANCE
    environment: str = ""

    def build_request(self, output: Path) -> dict[str, object]:
        """Return the request for the program in the tool environment."""
        return {
            "kind": self.source.kind,
            "model": str(self.source.path.resolve()),
            "weights": str(self.source.weights.resolve()) if self.source.weights else None,
            "opset": self.opset,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "signature": self.signature,
            "samples": str(self.samples.resolve()) if self.samples else None,
            "tolerance": self.tolerance,
            "output": str(output),
        }


def export(
    what: RunFolder | str | Path,
    *,
    model: str | None = None,
    name: str | None = None,
    opset: int = DEFAULT_OPSET,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    signature: str | None = None,
    samples: str | Path | None = None,
    tolerance: float = TOLERANCE,
    environment: str | None = None,
    site: str | None = None,
    workspace: str | Path | None = None,
    tell: Tell | None = None,
) -> JsonObject:
    """Export a model to ONNX, verify the file, and return its record, which is stored beside it as ``NAME.onnx.export.json``.

    ``what`` is a run, in whose outputs the model is looked for, or the path of a model or of a folder with one; ``model``
    chooses one of several. ``inputs`` and ``outputs`` name tensors of a TensorFlow 1 checkpoint. The file gets its name once
    onnxruntime has run it on batches of 1, 3 and 64 rows and its results agree with TensorFlow's.

    Raises NotConvertibleError, and then leaves no file; InputError if the model or anything requested does not exist.
    """
    run = what if isinstance(what, RunFolder) else None
    found = resolve_target(site or (run.plan["site"] if run else None), "site")
    folder = Path(run.layout.outputs) if run else Path(what)  # type: ignore[arg-type]
    source = choose_source(folder, model)
    _check_fitting(source, inputs, outputs, signature)
    if opset not in OPSETS:
        remedy = f"pass one of {OPSETS.start} to {OPSETS.stop - 1}"
        raise InputError(Finding("bad-opset", "opset", f"the converter can't write opset {opset}", remedy))
    if samples is not None and not Path(samples).is_file():
        raise InputError(
            Finding("no-samples", "samples", f"{samples} does not exist", "pass an .npz with an array for each input")
        )
    target = _choose_target(source, run, name)
    packages = read_packages(run) if run else {}
    wanted = ExportRequest(
        source, target, opset, tuple(inputs), tuple(outputs), signature, Path(samples) if samples else None, tolerance,
        environment or choose_tool_environment(source, packages),
    )  # fmt: skip
    place = resolve_workspace(found.storage.workspace, workspace or (run.folder.parents[1] if run else None))
    return _convert_and_publish(wanted, Toolbox(found, resolve_store(found, place), tell or _ignore_step), run)


def _check_fitting(source: Source, inputs: Sequence[str], outputs: Sequence[str], signature: str | None) -> None:
    """Raise InputError for settings of another kind of model."""
    if (inputs or outputs) and source.kind != "checkpoint":
        what, remedy = f"{source.path.name} knows its inputs and outputs", "leave --inputs and --outputs out"
        raise InputError(Finding("bad-inputs", "inputs", what, remedy))
    if signature is not None and source.kind != "saved-model":
        what, remedy = f"{source.path.name} has no signatures: SavedModels have", "leave --signature out"
        raise InputError(Finding("bad-signature", "signature", what, remedy))


def find(what: str, workspace: str | Path | None = None) -> RunFolder | Path:
    """Return the path if it exists, else the run. Raises RunNotFoundError, and InputError for a path that does not
    exist."""
    path = Path(what).expanduser()
    if path.exists() and not (path / "plan.json").is_file():
        return path
    graph = path.with_name(f"{path.name}.meta")  # TensorFlow 1 names a checkpoint by the common part of its files' names
    if graph.is_file():
        return graph
    if ("/" in what or path.suffix in KINDS) and not path.exists():
        there = [one.path.name for one in list_sources(path.parent)] if path.parent.is_dir() else []
        remedy = suggest(path.name, there) or "pass the path of a model, or a run"
        raise InputError(Finding("no-model", what, "does not exist", remedy))
    return RunFolder.find(what, workspace) if list_workspaces(workspace) else path


def read_packages(run: RunFolder) -> dict[str, str]:
    """Return the packages of a run's environment, which are known if slurmtf built it."""
    lock = run.receipt.get("lock") or ()
    spec = run.plan["provenance"].get("environment_spec") or {}
    lines = [*lock, *spec.get("requirements", ())]
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {name.strip().lower().replace("-", "_"): version.strip() for name, _, version in pairs}


def _choose_target(source: Source, run: RunFolder | None, name: str | None) -> Path:
    """Return the path of the exported file. Raises InputError if another file has it."""
    folder = Path(run.layout.outputs) if run else source.path.resolve().parent
    file = (name or source.stem).removesuffix(".onnx") + ".onnx"
    if "/" in file:
        raise InputError(Finding("bad-name", "name", f"{name} is a path", "pass a file's name; it is put beside the model"))
    target = folder / file
    if target.exists() and not _is_ours(target):
        what = f"{target} exists, and was not written by 'slurmtf export'"
        raise InputError(Finding("name-taken", "name", what, "pass another name with --name"))
    return target


def _is_ours(file: Path) -> bool:
    """Return whether slurmtf exported a file: in the last export, or in the one before if the last was killed in between."""
    record = read_json(file.with_name(file.name + RECORD))
    return compute_digest([file]) in (record.get("sha256"), record.get("replaces"))


def read_record(file: Path) -> JsonObject:
    """Return the record of an exported file; empty if there is none, or the file has changed since."""
    record = read_json(file.with_name(file.name + RECORD))
    return record if record and record.get("sha256") == compute_digest([file]) else {}


def _convert_and_publish(wanted: ExportRequest, toolbox: Toolbox, run: RunFolder | None) -> dict[str, object]:
    python = toolbox.provide_python(wanted.environment)
    with convert_write_errors(wanted.target.parent, ANOTHER_FOLDER):
        _remove_leftovers(wanted.target.parent, toolbox)
        work = Path(tempfile.mkdtemp(prefix=WORK, dir=wanted.target.parent))
        try:
            output, request = work / OUTPUT, work / REQUEST
            before = compute_digest(wanted.source.files)
            asked = {**wanted.build_request(output), **_build_identity(wanted, before)}
            if not _take_over(work, asked, toolbox):
                write_json(request, asked)
                toolbox.tell(f"converting {wanted.source.path.name} with {wanted.environment} ...")
                toolbox.run(python, ["convert", str(request)], work, "export")
            result = read_json(work / RESULT)
            if not result.get("ok") or not output.is_file():
                _check_room(work, wanted.source)
                raise NotConvertibleError(_explain_refusal(wanted, result, work / "tool.log"))
            _check_source(wanted.source, before)
            record = _build_record(wanted, result, output, run) | {"source_sha256": before}
            # A file without a record counts as the user's: the record is written first, and its hash identifies the file.
            write_json(wanted.target.with_name(wanted.target.name + RECORD), record)
            output.replace(wanted.target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return record


def _build_identity(wanted: ExportRequest, source: str) -> dict[str, object]:
    """Return what distinguishes a request from a similar one: the output path and the content of the inputs. Raises OSError."""
    samples = compute_digest([wanted.samples]) if wanted.samples else None
    return {
        "target": str(wanted.target),
        "environment": wanted.environment,
        "source_sha256": source,
        "samples_sha256": samples,
        "slurmtf": __version__,
    }


def _take_over(work: Path, asked: Mapping[str, object], toolbox: Toolbox) -> bool:
    """Wait for the job of a killed command with the same request, and move its result into ``work``.

    Returns False if there was none, or it has no good result. Raises SlurmError if Slurm does not answer.
    """
    for left in sorted(work.parent.glob(f"{WORK}*/{JOBS}")):
        earlier = left.parent
        if {**read_json(earlier / REQUEST), "output": None} != {**asked, "output": None}:
            continue
        toolbox.wait_for_earlier(earlier)
        result = read_json(earlier / RESULT)
        if result.get("ok") and _link_or_copy(earlier / OUTPUT, work / OUTPUT):
            write_json(work / RESULT, result)
            left.unlink(missing_ok=True)  # the next export starts over
            return True
    return False


def _link_or_copy(source: Path, target: Path) -> bool:
    """Link or copy a file; return False if it is gone, since its command is still running and has moved it to its place."""
    try:
        with contextlib.suppress(OSError):  # a file system without links
            os.link(source, target)
            return True
        shutil.copyfile(source, target)
    except FileNotFoundError:
        return False
    return True


def _check_source(source: Source, before: str) -> None:
    """Raise NotConvertibleError if a model has changed since its conversion began."""
    try:
        now = compute_digest(source.files)
    except OSError:
        now = ""
    if now != before:
        what = "changed while it was converted"
        remedy = "export it again when nothing writes to it: when the run has ended, or from a copy"
        raise NotConvertibleError(Finding("model-changed", str(source.path), what, remedy))


def _check_room(work: Path, source: Source) -> None:
    """Raise OSError if a folder has no room for the files of a conversion: the model as a SavedModel, and as ONNX."""
    needed = 2 * sum(path.stat().st_size for path in source.files) + ROOM_BYTES
    with (work / "room").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, needed)


def _remove_leftovers(folder: Path, toolbox: Toolbox) -> None:
    """Remove what killed exports left, unless their job still waits or runs."""
    for left in folder.glob(f"{WORK}*"):
        if compute_age(left) > LEFT_S and not toolbox.find_earlier(left):
            shutil.rmtree(left, ignore_errors=True)


def _build_record(
    wanted: ExportRequest, result: Mapping[str, object], output: Path, run: RunFolder | None
) -> dict[str, object]:
    known = ("route", "opset", "inputs", "outputs", "verified", "weights_bytes", "versions", "seconds")
    return {
        "file": str(wanted.target),
        "sha256": compute_digest([output]),
        "replaces": compute_digest([wanted.target]) if wanted.target.exists() else None,
        "bytes": output.stat().st_size,
        "source": str(wanted.source.path),
        "kind": wanted.source.kind,
        "run": run.id if run else None,
        "environment": wanted.environment,
        "written": time.time(),
        **{name: result[name] for name in known},
    }


def _explain_refusal(wanted: ExportRequest, result: JsonView, log: Path) -> Finding:
    """Return why there is no file, from the program's message or its log."""
    where = str(wanted.source.path)
    if not result:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
        what = "the conversion was killed or failed: " + ("\n".join(lines[-5:]) or "it printed nothing")
        return Finding("conversion-failed", where, what, "is there enough memory? try again, or on a compute node")
    what = str(result["what"])
    for kind, names in result.get("candidates", {}).items():
        what += f"\n{kind} may be: " + ", ".join(names)
    if result.get("layers"):
        return Finding(str(result["code"]), where, what, str(result["remedy"]))
    tried = "; ".join(f"{one['route']}: {str(one['why']).splitlines()[0][:200]}" for one in result.get("tried", ()))
    return Finding(str(result["code"]), where, what + (f"\ntried: {tried}" if tried else ""), str(result["remedy"]))


def _ignore_step(text: str) -> None:  # noqa: ARG001
    return
