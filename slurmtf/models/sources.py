"""Find saved models in a folder, and the versions of TensorFlow and Keras that saved them."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from slurmtf.environments.tools import KERAS_2, NEWEST
from slurmtf.errors import InputError
from slurmtf.findings import Finding

KINDS = {".keras": "keras", ".h5": "h5", ".hdf5": "h5", ".meta": "checkpoint"}
FORMS = "no SavedModel, .keras, .h5, .json with weights, or checkpoint with .meta"
SKIPPED = ("variables", "assets")
LAST_OF_KERAS_2 = (2, 15)
HEAD_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """A saved model: a SavedModel's folder, or the file that represents it. ``weights`` belong to a ``json``."""

    path: Path
    kind: str
    weights: Path | None = None

    @property
    def stem(self) -> str:
        """The name without a suffix."""
        name = self.path.name.removesuffix(".meta").removesuffix(".ckpt") if self.kind == "checkpoint" else self.path.stem
        return self.path.name if self.kind == "saved-model" else name

    @property
    def files(self) -> list[Path]:
        """All files of the model."""
        if self.kind == "saved-model":
            return sorted(path for path in self.path.rglob("*") if path.is_file())
        if self.kind == "checkpoint":
            return [self.path, *sorted(self.path.parent.glob(f"{self.path.name.removesuffix('.meta')}.[di]*"))]
        return [self.path, *([self.weights] if self.weights else [])]


def find_source(path: Path) -> Source | None:
    """Return the model at a path; None if there is none."""
    if path.is_dir():
        return Source(path, "saved-model") if (path / "saved_model.pb").is_file() else None
    if path.suffix == ".json":
        weights = _find_weights(path)
        return Source(path, "json", weights) if weights else None
    kind = KINDS.get(path.suffix)
    if kind is None or not path.is_file() or _is_weights(path):
        return None
    return Source(path, kind)


def _find_weights(path: Path) -> Path | None:
    """Return the weights next to a model's JSON: those with its name, else the only ones."""
    if b"class_name" not in path.read_bytes()[:HEAD_BYTES]:
        return None
    named = [path.with_suffix(end) for end in (".weights.h5", ".h5")]
    named += [path.with_name(f"{path.stem}_weights.h5")]
    found = [one for one in named if one.is_file()]
    others = sorted(path.parent.glob("*weights*.h5"))
    return found[0] if found else others[0] if len(others) == 1 else None


def _is_weights(path: Path) -> bool:
    if path.suffix not in (".h5", ".hdf5"):
        return False
    named = "weights" in path.name or path.with_suffix(".json").is_file()
    with path.open("rb") as file:
        return named and b"model_config" not in file.read(HEAD_BYTES)


def list_sources(folder: Path) -> list[Source]:
    """Return the models in a folder and below it, by name; the folders of a SavedModel are not searched."""
    return sorted(_iterate_sources(folder), key=lambda one: str(one.path))


def _iterate_sources(folder: Path) -> Iterator[Source]:
    for place, folders, files in os.walk(folder):
        of_folders = {name: find_source(Path(place, name)) for name in folders if not name.startswith(".")}
        yield from filter(None, of_folders.values())
        folders[:] = [name for name, found in of_folders.items() if found is None and name not in SKIPPED]
        yield from filter(None, (find_source(Path(place, name)) for name in files if not name.startswith(".")))


def choose_source(folder: Path, name: str | None = None) -> Source:
    """Return the only model in a folder, or the one with a name (relative path, file name or stem). Raises InputError, which
    lists them, unless there is exactly one."""
    own = find_source(folder)
    found = [own] if own else list_sources(folder) if folder.is_dir() else []
    names = {str(one.path.relative_to(folder)): one for one in found}
    if name is not None:
        found = [one for path, one in names.items() if name in (path, one.path.name, one.stem)]
    if len(found) == 1:
        return found[0]
    if not names:
        what = "; ".join(("holds no model: " + FORMS, *_find_halves(folder)))
        raise InputError(
            Finding("no-model", str(folder), what, "save one to outputs/, for example model.export('outputs/model')")
        )
    what = f"has {len(found) or 'no'} such models" if name is not None else f"holds {len(found)} models"
    raise InputError(Finding("several-models", str(folder), f"{what}: {', '.join(names)}", "name one of them with --model"))


def _find_halves(folder: Path) -> Iterator[str]:
    """Report what is missing if a file is only half of a model."""
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        if path.suffix == ".json" and path.is_file() and b"class_name" in path.read_bytes()[:HEAD_BYTES]:
            yield f"{path.name} needs its weights beside it, as {path.stem}.weights.h5"
        elif path.is_file() and _is_weights(path):
            yield f"{path.name} holds only weights, not the model"


def choose_tool_environment(source: Source, packages: Mapping[str, str]) -> str:
    """Return the tool environment for a model: by its files, else by the packages of its run, else the newest."""
    return choose_by_versions(read_keras_version(source), read_tensorflow_version(source), packages)


def choose_by_versions(keras: str, tensorflow: str, packages: Mapping[str, str]) -> str:
    """Return the tool environment by the versions of Keras and TensorFlow that a file names (empty: none), and those of a
    run's packages.

    Keras decides for files that only Keras reads; graphs are read by TensorFlow, which reads those of older versions.
    """
    if keras:
        return KERAS_2 if parse_version(keras) < (3,) else NEWEST
    installed = next((packages[name] for name in packages if re.fullmatch(r"tensorflow(_cpu|_gpu|_rocm)?", name)), "")
    known = tensorflow or installed
    return KERAS_2 if known and parse_version(known) <= (*LAST_OF_KERAS_2, 999) else NEWEST


def parse_version(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def read_keras_version(source: Source) -> str:
    """Return the version of Keras that a Keras file names; empty if it names none."""
    try:
        if source.kind == "keras":
            with zipfile.ZipFile(source.path) as zipped:
                return str(json.loads(zipped.read("metadata.json"))["keras_version"])
        if source.kind == "json":
            return str(json.loads(source.path.read_text(encoding="utf-8"))["keras_version"])
        if source.kind == "h5":
            return _read_h5_version(source.path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass
    return ""


def read_tensorflow_version(source: Source) -> str:
    """Return the version of TensorFlow that wrote a graph, a SavedModel's or a checkpoint's; empty if it names none.

    It is a field of ``MetaInfoDef`` (tensorflow/core/protobuf/meta_graph.proto: ``tensorflow_version = 5``), which stands
    before the graph; after it comes ``tensorflow_git_version = 6``.
    """
    graph = {"saved-model": source.path / "saved_model.pb", "checkpoint": source.path}.get(source.kind)
    if graph is None or not graph.is_file():
        return ""
    with graph.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = re.finditer(rb"\x2a([\x05-\x20])(\d+\.\d+\.\d+[\w.+-]*)\x32", head)
    return next((one[2].decode() for one in found if ord(one[1]) == len(one[2])), "")


def _read_h5_version(path: Path) -> str:
    """Return the version in an HDF5 file's head: a text of its own that follows the attribute's name, wherever HDF5 puts it."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = re.search(rb"(?<![\d.])([23]\.\d{1,2}\.\d{1,2})(?:-tf)?(?![\d.])", head) if b"keras_version" in head else None
    return found[1].decode() if found else ""
