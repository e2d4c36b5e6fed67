"""Data that a script reads, and folders for its results, each with a name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from slurmtf.errors import suggest
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.paths import to_absolute
from slurmtf.schema import Strict

Mode = Literal["mount", "download", "upload"]
MODES: tuple[str, ...] = get_args(Mode)
PREFIX = var.SLURMTF_INPUT
_REFERENCE = re.compile(r"\$\{?" + PREFIX + r"(\w+)")


@dataclass(frozen=True)
class Input(Strict):
    """A folder or a file of data, whose path the script gets in ``$SLURMTF_INPUT_<NAME>``.

    As a value in ``script_params``, it is replaced with that path.
    """

    path: str | Path
    """The path of the data; all nodes must see it."""
    name: str | None = None
    """Its name, of letters, digits and underscores. Default: the last part of the path."""
    mode: Mode = "mount"
    """'mount': used where it is. 'download': copied to each node's own disk before the script starts. 'upload': an empty folder
    on that disk, copied to the path after the script has ended."""

    def __post_init__(self) -> None:
        path = to_absolute(self.path)
        name = self.name or re.sub(r"\W+", "_", Path(path).stem, flags=re.ASCII).strip("_")
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "name", name.upper() if isinstance(name, str) else name)

    @property
    def variable(self) -> str:
        return f"{PREFIX}{self.name}"

    @property
    def reference(self) -> str:
        """The text that a task replaces with the data's path."""
        return f"${self.variable}"


def resolve_inputs(inputs: object, params: object) -> object:
    """Return the inputs as objects, including those in ``script_params``; invalid values are left to the checks."""
    listed = [_build(item) for item in inputs] if isinstance(inputs, list) else inputs
    used = [item for item in _iterate_values(params) if isinstance(item, Input)]
    if not isinstance(listed, list | None):
        return listed
    return [*(listed or []), *(item for item in dict.fromkeys(used) if item not in (listed or []))] or None


def _build(item: object) -> object:
    if not isinstance(item, Mapping) or "path" not in item or not set(item) <= {"path", "name", "mode"}:
        return item
    return Input(**item) if isinstance(item["path"], str | os.PathLike) else item


def _iterate_values(params: object) -> Iterable[object]:
    for value in params.values() if isinstance(params, Mapping) else params if isinstance(params, list | tuple) else ():
        yield from value if isinstance(value, list | tuple) else [value]


def check_inputs(inputs: object, params: object) -> Iterable[Finding]:
    """Yield what is wrong with inputs, without looking at the disk."""
    if inputs is not None and not (isinstance(inputs, list) and all(isinstance(item, Input) for item in inputs)):
        yield Finding(
            "bad-inputs", "inputs", f"{inputs!r} is not a list of inputs", "write [Input('/data/mnist', mode='download')]"
        )
        return
    known: dict[str | None, Input] = {}
    for item in inputs or ():
        yield from _check_input(item)
        if item.name in known:
            what = f"two are called {item.name}: {known[item.name].path} and {item.path}"
            yield Finding("duplicate-input", "inputs", what, "rename one of them")
        known[item.name] = item
    texts = (word for value in _iterate_values(params) if isinstance(value, str) for word in _REFERENCE.findall(value))
    for name in dict.fromkeys(texts):
        if name not in known:
            hint = suggest(name, filter(None, known)) or "name it in inputs"
            yield Finding("unknown-input", "script_params", f"${PREFIX}{name} names no input", hint)


def _check_input(item: Input) -> Iterable[Finding]:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(item.name)):
        what = f"{item.name!r} can't be the name of the input {item.path}"
        yield Finding(
            "bad-input-name", "inputs", what, "use a name of letters, digits and underscores that begins with a letter"
        )
    if "\0" in str(item.path):
        yield Finding(
            "nul-character",
            "inputs",
            f"the path of {item.name} holds a NUL character",
            "leave it out: no file has one in its name",
        )
    if item.mode not in MODES:
        hint = suggest(str(item.mode), MODES) or f"use one of {', '.join(MODES)}"
        yield Finding("bad-input-mode", "inputs", f"{item.mode!r} is not a mode", hint)
