"""The estimator as a job file, and the JSON Schema with which editors complete job files."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from slurmtf.collecting import Findings
from slurmtf.documents import Document, read_document
from slurmtf.errors import SpecError, suggest
from slurmtf.estimator.azureml import OlderNames
from slurmtf.estimator.distribution import KINDS
from slurmtf.estimator.environment import Environment
from slurmtf.estimator.estimator import Estimator, TensorFlow
from slurmtf.estimator.inputs import Input
from slurmtf.estimator.life import Notice, Restart
from slurmtf.findings import Finding, locate
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.schema import Strict

ESTIMATORS: dict[str, type[Estimator]] = {"TensorFlow": TensorFlow, "Estimator": Estimator}


BESIDE = ("compute_target", "environment_definition", "template")
"""Settings that name a file; a relative path is relative to the job file's folder."""
SOURCE = ("source_directory", "entry_script")
"""If one of these is wrong, the other can't be checked."""
VERBATIM = ("script_params", "environment_variables")
"""Settings that reach the script exactly as written: in them, ``2.10`` and ``007`` are strings."""


def read_job_file(path: str | Path) -> Document:
    """Read a job file. Raises SpecError if it is not YAML."""
    return read_document(Path(path), SpecError, VERBATIM)


def from_yaml(path: str | Path) -> Estimator:
    """Read a job file. A relative ``source_directory`` is relative to the file.

    Raises SpecError with file, line and key of everything that is wrong.
    """
    return from_document(read_job_file(path), Path(path).parent)


def from_document(
    document: Document, base: Path, overrides: dict[str, object] | None = None, flags: Mapping[str, str] | None = None
) -> Estimator:
    """Return the estimator of a document, with ``overrides`` (parameter to value) instead of the document's values.

    ``flags`` maps parameters to the names under which they are overridden, for findings. Paths in the document (of the source,
    a profile, a template) are relative to ``base``. Raises SpecError with everything that is wrong.
    """
    findings = Findings()
    given = overrides or {}

    def create(wrong: Collection[str]) -> Estimator:
        right = {name: value for name, value in given.items() if name not in wrong}
        return _build_estimator(document.drop_keys(wrong), base, right, flags or {})

    estimator, _ = drop_wrong_parameters(create, findings)
    findings.raise_errors()
    if estimator is None:
        raise AssertionError("unreachable")
    return estimator


def drop_wrong_parameters(
    create: Callable[[Collection[str]], Estimator], findings: Findings
) -> tuple[Estimator | None, set[str]]:
    """Return the estimator without the wrong parameters, and their names; None if it can't be created even then.

    Wrong parameters are left out until the others make an estimator, so that no finding hides another. ``create`` returns the
    estimator without the given parameters.
    """
    wrong: set[str] = set()
    while True:
        try:
            return create(wrong), wrong
        except SpecError as err:
            names = {one: parse_parameter(one.where) for one in err.findings}
            findings.add(one for one, name in names.items() if name not in wrong)
            also = {*names.values()} - wrong
            if not also:
                return None, wrong
            wrong |= {*also, *(SOURCE if also & {*SOURCE} else ())}


def _build_estimator(document: Document, base: Path, overrides: dict[str, object], flags: Mapping[str, str]) -> Estimator:
    data = {**document.data, **overrides}
    kind = _get_estimator_class(document, data.pop("estimator", "TensorFlow"))
    if "source_directory" not in overrides:
        data["source_directory"] = str(base / Path(str(data.get("source_directory") or ".")).expanduser())
    data.update(_resolve_inputs(document, base, data))
    for name in BESIDE:
        path = document.data.get(name)
        if isinstance(path, str) and data[name] is path and (name == "environment_definition" or os.sep in path):
            data[name] = str(base / Path(path).expanduser())
    sources = _merge_sources(document, flags, overrides)
    try:
        estimator = document.parse(kind, data)
    except SpecError as err:
        raise SpecError(*(_relocate(finding, sources, overrides) for finding in err.findings)) from None
    estimator.note_sources(sources)
    return estimator


def parse_setting(name: str, text: str) -> object:
    """Return the value that a job file with ``name: text`` gives a setting; the text itself if that is not YAML."""
    try:
        document = Document(f"{name}: {text}", name, SpecError, VERBATIM)
    except SpecError:
        return text
    found = document.restore_texts(TensorFlow, document.data)
    return found[name] if [*found] == [name] else text


def _resolve_inputs(document: Document, base: Path, data: Mapping[str, object]) -> dict[str, object]:
    """Return the inputs of a document with their paths relative to ``base``; nothing if they were overridden."""
    own = document.data.get("inputs")
    if not isinstance(own, list) or data["inputs"] is not own:
        return {}
    return {"inputs": [resolve_input(item, base) for item in own]}


def resolve_input(item: object, base: Path) -> object:
    """Return an input of a job file with its path relative to ``base``."""
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        return item
    return {**item, "path": str(base / Path(item["path"]).expanduser())}


def _get_estimator_class(document: Document, name: object) -> type[Estimator]:
    if name in ESTIMATORS:
        return ESTIMATORS[str(name)]
    remedy = suggest(str(name), ESTIMATORS) or f"use one of {', '.join(ESTIMATORS)}"
    raise SpecError(
        Finding(
            "unknown-estimator", "estimator", f"{name!r} is not an estimator", remedy, source=document.locate(("estimator",))
        )
    )


def _merge_sources(document: Document, flags: Mapping[str, str], overrides: Collection[str]) -> dict[str, str]:
    """Return where each setting was written: in a flag that was given, else in the document, else the flag's name."""
    lines = {where: line for where, line in document.locate_keys().items() if parse_parameter(where) not in overrides}
    return {**flags, **lines}


def _relocate(finding: Finding, sources: Mapping[str, str], overrides: Collection[str]) -> Finding:
    """Return a finding about the merged data with its source: an override has no line in the document."""
    return locate(replace(finding, source="") if parse_parameter(finding.where) in overrides else finding, sources)


def parse_parameter(where: str) -> str:
    """Return the parameter that a finding is about: ``sbatch`` for ``sbatch['wrap']``, ``inputs`` for ``inputs.0.path``."""
    return re.split(r"[.\[]", where, maxsplit=1)[0]


@contextlib.contextmanager
def _use_docstrings() -> Iterator[None]:
    """Have pydantic read the settings' docstrings from the source, which takes 80 ms and only a schema needs."""
    kinds: tuple[Any, ...] = (TensorFlow, Estimator, OlderNames, Environment, Input, Notice, Restart, *KINDS.values())
    for kind in kinds:
        kind.__pydantic_config__ = {**Strict.__pydantic_config__, "use_attribute_docstrings": True}
    try:
        yield
    finally:
        for kind in kinds:
            del kind.__pydantic_config__


def build_job_schema() -> JsonObject:
    """Return the JSON Schema of a job file (https://json-schema.org/draft/2020-12)."""
    import pydantic  # noqa: PLC0415

    with _use_docstrings():
        schema = pydantic.TypeAdapter(TensorFlow).json_schema()
        bases = [pydantic.TypeAdapter(kind).json_schema()["properties"] for kind in (Estimator, OlderNames)]
    for name, about in schema["properties"].items():
        for inherited in bases:
            about.update(inherited.get(name, {}) if "description" not in about else {})
        about.pop("title", None)
    for name in ("compute_target", "resume_from"):
        schema["properties"][name]["type"] = ["string", "null"]
    kinds = {"enum": list(ESTIMATORS), "default": "TensorFlow", "description": "Which estimator."}
    schema["properties"] = {"estimator": kinds, **schema["properties"]}
    schema.update({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "slurmtf job",
                   "description": "A slurmtf job file."})  # fmt: skip
    return schema


def list_parameters() -> list[str]:
    """Return the names of all parameters of the estimators."""
    return [f.name for f in fields(TensorFlow)]
