"""Registered models: plain folders, versions 1, 2, ... of each name, and nothing is ever overwritten.

<registry>/<name>/<version>/
    model.json       the record
    files/           the model; hard links to a run's files if possible
    onnx/            its ONNX twin, with the record of its verification
    mlflow.json      its name in MLflow's registry, if it is there
    deleted.json     exists if the version was deleted: its number is not reused

A version appears whole, by a rename that fails if another process has taken its number.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from slurmtf.errors import InputError, SlurmtfError, suggest
from slurmtf.files import convert_write_errors, expand, make_private, read_json, write_json
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.interchange import JsonView
from slurmtf.models import mirror
from slurmtf.models.exporting import RECORD, read_record
from slurmtf.models.hashes import compute_digest, compute_sha256
from slurmtf.models.sources import choose_source, find_source
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.status import look
from slurmtf.runs.workspaces.tags import normalize
from slurmtf.runs.workspaces.workspace import list_workspaces
from slurmtf.trusted import check_shared, locate_own_folder

Models: TypeAlias = "list[Model]"
Names: TypeAlias = "list[str]"
"""A type alias, because ``list`` is a method inside the class."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NUMBER = re.compile(r"[0-9]{1,9}")
STAGING = ".staging-"
FOLDER = "models"
VARIABLE = var.SLURMTF_MODELS
TAKEN = (errno.EEXIST, errno.ENOTEMPTY)
ANOTHER_REGISTRY = f"another folder for models (${VARIABLE})"


class ModelNotFoundError(InputError):
    """There is no model with that name and version."""


class ModelChangedError(SlurmtfError):
    """The files of a model are not the registered ones."""


def locate_registry(workspace: str | Path | None = None) -> Path:
    """Return the folder of the registry: ``$SLURMTF_MODELS``, else next to the runs of the workspace.

    Raises WorkspaceError if another user could have written to it.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return locate_own_folder(list_workspaces(workspace)[0], FOLDER)
    root = expand(given, FOLDER)
    check_shared(root, f"set ${VARIABLE} to a folder of yours")
    return root


@dataclass(frozen=True)
class Model:
    """One version of a registered model."""

    name: str
    version: int
    folder: Path
    record: JsonView = field(repr=False)

    @classmethod
    def register(
        cls,
        model_path: str | Path,
        model_name: str,
        tags: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
        description: str = "",
        *,
        run: RunFolder | None = None,
        workspace: str | Path | None = None,
    ) -> Model:
        """Register a file or folder as the next version of a model, and return it.

        If MLflow is configured and installed, it is registered there too. Raises InputError if there is nothing to register,
        WorkspaceError if it can't be written (nothing is left then); MirrorError if only MLflow failed.
        """
        path = Path(model_path).expanduser().resolve()
        if not path.exists():
            raise InputError(Finding("no-model", str(model_path), "does not exist", "pass the path of a file or folder"))
        place = Path(locate_registry(workspace or (run.folder.parents[1] if run else None)), _check_name(model_name))
        marks = {"tags": normalize(tags), "properties": normalize(properties, "properties")}
        own = {"name": model_name, **marks, "description": description}
        with convert_write_errors(place, ANOTHER_REGISTRY):
            staging = make_private(place / f"{STAGING}{uuid.uuid4().hex}")
            try:
                _fill(staging, path, {**own, "id": staging.name, **_build_origin(path, run)}, run)
                version = _publish(staging, place)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            model = cls.get(model_name, version, workspace=workspace or (run.folder.parents[1] if run else None))
            if mirror.has_registry():
                write_json(model.folder / "mlflow.json", mirror.register(model_name, version, model.folder, model.record))
        return model

    @classmethod
    def get(cls, name: str, version: int | None = None, *, workspace: str | Path | None = None) -> Model:
        """Return a version of a model, by default the newest. Raises ModelNotFoundError."""
        root = locate_registry(workspace)
        found = _list_versions(root / name) if NAME.fullmatch(name) else []
        wanted = [model for model in found if version in (None, model.version)]
        if wanted:
            return wanted[-1]
        if found:
            there = ", ".join(str(model.version) for model in found)
            raise ModelNotFoundError(Finding("no-version", f"{name}:{version}", f"there is none; there are {there}"))
        hint = suggest(name, _list_names(root)) or "'slurmtf models ls' lists them"
        raise ModelNotFoundError(Finding("unknown-model", name, f"there is no such model in {root}", hint))

    @classmethod
    def find(cls, text: str, *, workspace: str | Path | None = None) -> Model:
        """Return the model ``NAME`` or ``NAME:VERSION``. Raises ModelNotFoundError."""
        name, _, version = text.partition(":")
        if version and not NUMBER.fullmatch(version):
            raise ModelNotFoundError(Finding("bad-version", text, f"{version!r} is not a version", "write NAME:NUMBER"))
        return cls.get(name, int(version) if version else None, workspace=workspace)

    @classmethod
    def list(
        cls,
        name: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        latest: bool = False,
        *,
        workspace: str | Path | None = None,
    ) -> Models:
        """Return the models, by name and version; ``latest``: only the newest of each name. A tag of None matches any value."""
        root = locate_registry(workspace)
        of_names = [_list_versions(root / one) for one in _list_names(root) if name in (None, one)]
        found = [model for versions in of_names for model in (versions[-1:] if latest else versions)]
        return [model for model in found if all(_has_tag(model, *tag) for tag in (tags or {}).items())]

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.record.get("tags", {}))

    @property
    def path(self) -> Path:
        """The model's file or folder."""
        return self.folder / "files" / str(self.record["path"])

    @property
    def onnx(self) -> Path | None:
        """The ONNX file: the model itself or its exported file; None if there is none."""
        if self.path.suffix == ".onnx":
            return self.path
        return next(iter(sorted((self.folder / "onnx").glob("*.onnx"))), None)

    @property
    def mlflow(self) -> dict[str, object]:
        """The identity in MLflow's registry: name, version, run_id; empty if it is not registered there."""
        return read_json(self.folder / "mlflow.json")

    def find_changed(self) -> Names:
        """Return the files that are not as registered: their content differs, or they are gone."""
        return [name for name, known in self.record["files"].items() if _compute_hash(self.folder / name) != known["sha256"]]

    def check(self) -> None:
        """Raise ModelChangedError if a file is not as registered."""
        changed = self.find_changed()
        if changed:
            what = f"is not what was registered: {', '.join(changed[:5])}"
            remedy = "it, or the run that it came from, has been modified: register the right one again"
            raise ModelChangedError(Finding("model-changed", f"{self.name}:{self.version}", what, remedy))

    def download(self, target_dir: str | Path = ".", exist_ok: bool = False) -> Path:
        """Copy the model into a folder and return the copy's path; its ONNX file is copied next to it.

        Raises ModelChangedError if it is not as registered, InputError if that name exists there.
        """
        self.check()
        target = Path(target_dir)
        sources = [self.path, *([self.onnx] if self.onnx and self.onnx != self.path else [])]
        taken = [target / one.name for one in sources if (target / one.name).exists()]
        if taken and not exist_ok:
            raise InputError(
                Finding(
                    "target-exists", str(taken[0]), "is there", "name another folder, or replace it: --exist-ok, exist_ok=True"
                )
            )
        with convert_write_errors(target, "another folder"):
            target.mkdir(parents=True, exist_ok=True)
            for one in sources:
                _copy_whole(one, target / one.name)
        return target / self.path.name

    def delete(self) -> None:
        """Delete this version. Its number is not reused."""
        with convert_write_errors(self.folder, ANOTHER_REGISTRY):
            write_json(self.folder / "deleted.json", {"by": getpass.getuser(), "time": time.time()})
            for part in ("files", "onnx"):
                shutil.rmtree(self.folder / part, ignore_errors=True)

    def to_dict(self) -> dict[str, object]:
        own = {"version": self.version, "folder": str(self.folder), "path": str(self.path)}
        return {**self.record, **own, "mlflow": self.mlflow or None}


def register(
    run: RunFolder,
    model_name: str,
    model_path: str | None = None,
    tags: Mapping[str, object] | None = None,
    properties: Mapping[str, object] | None = None,
    description: str = "",
    *,
    workspace: str | Path | None = None,
) -> Model:
    """Register a model of a run: ``model_path`` in its folder or its outputs, by default the only one in its outputs."""
    outputs = Path(run.layout.outputs)
    found = choose_source(outputs).path if model_path is None else _find_in_run(run, outputs, model_path)
    return Model.register(found, model_name, tags, properties, description, run=run, workspace=workspace)


def _find_in_run(run: RunFolder, outputs: Path, model_path: str) -> Path:
    places = [run.folder / model_path, outputs / model_path]
    found = next((path for path in places if path.exists() and run.folder in path.resolve().parents), None)
    if found is None:
        what, remedy = "is not a file of the run", "pass a path in its outputs; get_file_names() lists them"
        raise InputError(Finding("no-model", model_path, what, remedy))
    return found


def _has_tag(model: Model, name: str, value: str | None) -> bool:
    return name in model.tags and value in (None, model.tags[name])


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        remedy = "1 to 64 letters, digits, '.', '_' and '-', a letter or digit first"
        raise InputError(Finding("bad-model-name", "model_name", f"{name!r} is not a name for a model", remedy))
    return name


def _list_names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if NAME.fullmatch(path.name)) if root.is_dir() else []


def _list_versions(place: Path) -> list[Model]:
    """Return the existing versions of a model, without those that can't be read."""
    numbers = sorted(int(path.name) for path in place.iterdir() if NUMBER.fullmatch(path.name)) if place.is_dir() else []
    return [model for number in numbers if (model := _load_version(place, number))]


def _load_version(place: Path, number: int) -> Model | None:
    folder = place / str(number)
    try:
        record = read_json(folder / "model.json")
        known = isinstance(record["files"], dict) and isinstance(record["path"], str)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Model(place.name, number, folder, record) if known and not (folder / "deleted.json").exists() else None


def _build_origin(path: Path, run: RunFolder | None) -> dict[str, object]:
    source = find_source(path)
    kind = source.kind if source else "onnx" if path.suffix == ".onnx" else "folder" if path.is_dir() else "file"
    own = {"kind": kind, "source": str(path), "created": time.time(), "user": getpass.getuser()}
    if run is None:
        return {**own, "run": None, "metrics": {}}
    snapshot = run.plan["provenance"]["snapshot"]
    return {
        **own,
        "run": {"id": run.id, "experiment": run.experiment, "folder": str(run.folder), "snapshot": snapshot.get("id")},
        "git": (run.receipt.get("source") or {}).get("git"),
        "metrics": _read_last_metrics(run),
    }


def _read_last_metrics(run: RunFolder) -> dict[str, object]:
    """Return the last value of each of the run's metrics."""
    found = run.get_metrics()
    values = {name: value[-1] if isinstance(value, list) and value else value for name, value in found.items()}
    return {name: value for name, value in values.items() if isinstance(value, int | float | str)}


def _fill(staging: Path, path: Path, record: Mapping[str, object], run: RunFolder | None) -> None:
    """Write a model's files into a folder, and its record last."""
    link = run is not None and _has_ended(run)  # a running job would write into linked files
    files = make_private(staging / "files")
    source = find_source(path)
    members = source.files if source and not path.is_dir() else [path]
    for one in members:
        _link_or_copy(one, files / one.name, link)
    twin = _find_onnx_twin(path)
    if twin:
        onnx = make_private(staging / "onnx")
        _link_or_copy(twin, onnx / twin.name, link)
        _link_or_copy(twin.with_name(twin.name + RECORD), onnx / (twin.name + RECORD), False)
    known = read_record(twin) if twin else read_record(path) if path.suffix == ".onnx" else {}
    held = sorted(one for one in staging.rglob("*") if one.is_file())
    hashes = {str(one.relative_to(staging)): {"bytes": one.stat().st_size, "sha256": compute_sha256(one)} for one in held}
    kept = {"path": path.name, "files": hashes, "sha256": compute_digest([one for one in held if files in one.parents])}
    write_json(staging / "model.json", {"schema": 1, **record, **kept, "onnx": {**known, "file": twin.name if twin else None}})


def _has_ended(run: RunFolder) -> bool:
    (seen,) = look([run.layout])
    return seen.state.status.final


def _find_onnx_twin(path: Path) -> Path | None:
    """Return the ONNX file next to a model, if it was exported from the model as it is now."""
    source = find_source(path)
    if source is None:
        return None
    mine = compute_digest(source.files)
    beside = (one for one in sorted(path.parent.glob("*.onnx")) if read_record(one).get("source_sha256") == mine)
    return next(beside, None)


def _link_or_copy(source: Path, target: Path, link: bool) -> None:
    """Link a file or the files of a folder if possible; otherwise copy them, private."""
    if source.is_dir():
        make_private(target)
        for one in source.iterdir():
            _link_or_copy(one, target / one.name, link)
        return
    if link and not source.is_symlink():
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another file system, or one without links
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file, source.open("rb") as read:
        shutil.copyfileobj(read, file, 1024 * 1024)


def _publish(staging: Path, place: Path) -> int:
    """Rename a folder to the next version number, and return the number.

    No other process can get that number: a rename onto a non-empty folder fails. A file server may have done what it reports as
    failed (its answer was lost): the record shows it.
    """
    while True:
        version = max(_iterate_version_numbers(place), default=0) + 1
        target = place / str(version)
        try:
            staging.rename(target)
            return version
        except OSError as err:
            if not staging.exists() and _read_id(target) == staging.name:
                return version
            if err.errno not in TAKEN:
                raise


def _iterate_version_numbers(place: Path) -> Iterator[int]:
    yield from (int(path.name) for path in place.iterdir() if NUMBER.fullmatch(path.name))


def _read_id(folder: Path) -> str:
    try:
        return str(json.loads((folder / "model.json").read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, LookupError):
        return ""


def _compute_hash(path: Path) -> str:
    try:
        return compute_sha256(path)
    except OSError:
        return ""


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a file or folder under a temporary name, then rename it."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        _link_or_copy(source, partial, False)
        if target.is_dir():
            shutil.rmtree(target)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True) if partial.is_dir() else partial.unlink(missing_ok=True)
        raise
