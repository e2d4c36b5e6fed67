"""Read YAML into typed data, with file, line and key in every error.

Scalars are those of YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema). PyYAML's are those of YAML 1.1, in
which ``time: 1:30:00`` is the number 5400, ``no`` is False and ``1e-3`` is a string.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml

from slurmtf import typed
from slurmtf.errors import InputError
from slurmtf.findings import Finding
from slurmtf.paths import read_text
from slurmtf.typed import KeyPath

T = TypeVar("T")
GivenSettings = dict[str, Any]
"""Settings as a user wrote them, before anything has checked them."""

_BaseLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BaseDumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_CORE_SCALARS = [
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("tag:yaml.org,2002:float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
]


TEXT = "tag:yaml.org,2002:str"
NULL = "tag:yaml.org,2002:null"
NOT_TEXT = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))
"""The scalars whose text can say more than their value: 2.10 and 2.1, 007 and 7, 1e3 and 1000.0."""
MOST_VALUES = 200_000


class _Loader(_BaseLoader):  # type: ignore[misc]
    yaml_implicit_resolvers: ClassVar[dict[str, object]] = {}


class _Dumper(_BaseDumper):  # type: ignore[misc]
    yaml_implicit_resolvers: ClassVar[dict[str, object]] = {}

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _construct_integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


def _represent_float(_: object, value: float) -> yaml.ScalarNode:
    text = repr(value).replace("inf", ".inf").replace("nan", ".nan")
    return yaml.ScalarNode("tag:yaml.org,2002:float", text)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Write a file name or an argument that is not UTF-8 (surrogateescape, PEP 383) as YAML's !!binary."""
    try:
        value.encode()
    except UnicodeEncodeError:
        text = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
        return yaml.ScalarNode("tag:yaml.org,2002:binary", text, style='"')
    node: yaml.ScalarNode = dumper.represent_str(value)
    return node


def _construct_binary(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    data: bytes = loader.construct_yaml_binary(node)
    return data.decode("utf-8", "surrogateescape")


for _scalar, _pattern, _first in _CORE_SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_scalar, re.compile(_pattern), ["" if char == "\0" else char for char in _first])
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_integer)
_Loader.add_constructor("tag:yaml.org,2002:binary", _construct_binary)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_text)


class Document:
    """A YAML file: its data, and the line of each key.

    ``verbatim`` are top-level keys below which a number or boolean stays text if its text says more (2.10, 007, true).
    ``below`` limits the document to what is below this key.
    """

    def __init__(
        self, text: str, source: str, error: type[InputError], verbatim: Collection[str] = (), below: str | None = None
    ) -> None:
        self.source = source
        self._error = error
        self._verbatim = verbatim
        self._below = below
        self._text = text
        self._lines: dict[KeyPath, int] = {}
        self._texts: dict[KeyPath, str] = {}
        self._values = 0
        self.data = self._load(text)

    def _load(self, text: str) -> GivenSettings:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if self._below is not None:
                node = next((value for key, value in node.value if key.value == self._below), None)
            self._note(node, ())
            data = None if node is None else loader.construct_document(node)
        except (yaml.YAMLError, ValueError, KeyError, RecursionError) as err:  # a wrong !!tag, an alias of itself
            raise self._error(self._describe_syntax_error(err, text)) from None
        finally:
            loader.dispose()
        if not isinstance(data, dict):
            raise self._error(Finding("yaml-empty", self.source, "holds no keys", "write 'key: value' lines"))
        return data

    def find_text(self, path: KeyPath) -> str | None:
        """Return a number's text if it says more than the number (2.10, 007, 1e3)."""
        return self._texts.get(path)

    def extract_part(self, name: str, verbatim: Collection[str] = ()) -> Document:
        """Return the part below a key as a document with the file's line numbers. Raises the document's error class."""
        return Document(self._text, self.source, self._error, verbatim, name)

    def drop_keys(self, names: Collection[str]) -> Document:
        """Return the document without some of its top-level keys."""
        found = copy.copy(self)
        found.data = {name: value for name, value in self.data.items() if name not in names}
        return found

    def _note(self, node: yaml.Node | None, path: KeyPath) -> None:
        """Record the line of each key, and the numbers that say less than their text.

        A few aliases of aliases can stand for billions of values ("billion laughs"): refused.
        """
        self._values += 1
        if self._values > MOST_VALUES:
            what = f"has more than {MOST_VALUES:,} values, each alias counted with what it stands for"
            raise self._error(Finding("yaml-too-large", self.source, what, "write fewer of them"))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._note_key(key, path)
                self._note(value, (*path, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                where = (*path, index)
                self._lines[where] = item.start_mark.line + 1
                self._note(item, where)
        elif isinstance(node, yaml.ScalarNode) and node.tag in NOT_TEXT and not _is_canonical(node):
            self._note_scalar(node, path)

    def _note_key(self, key: yaml.ScalarNode, path: KeyPath) -> None:
        """Refuse a duplicate key: PyYAML silently takes the last."""
        where, line = (*path, str(key.value)), key.start_mark.line + 1
        if where in self._lines:
            what = f"key {key.value!r} appears twice (also on line {self._lines[where]})"
            raise self._error(Finding("yaml-duplicate-key", f"{self.source}:{line}", what, "keep one of them"))
        self._lines[where] = line
        if key.tag in (*NOT_TEXT, NULL):
            key.tag = TEXT  # as a key too, 2.10 is a version

    def _note_scalar(self, node: yaml.ScalarNode, path: KeyPath) -> None:
        if path[:1] and path[0] in self._verbatim:
            node.tag = TEXT
        elif not node.value.lower().endswith((".inf", ".nan")):  # except YAML's own words
            self._texts[path] = node.value

    def _describe_syntax_error(self, err: Exception, text: str) -> Finding:
        mark = getattr(err, "problem_mark", None)
        where = self.source if mark is None else f"{self.source}:{mark.line + 1}"
        lines = text.splitlines()
        line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return Finding("yaml-syntax", where, "a tab in the indentation", "YAML allows only spaces there")
        what = getattr(err, "problem", None) or str(err)
        return Finding("yaml-syntax", where, f"not valid YAML: {what}", f"look at: {line.strip()}" if line.strip() else "")

    def _find_known_prefix(self, path: KeyPath) -> KeyPath:
        """Return the longest beginning of ``path`` that exists in the file."""
        return next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self._lines), path)

    def locate(self, path: KeyPath) -> str:
        """Return ``file:line: key`` for ``path``, or for the nearest key above it that exists in the file."""
        dotted = ".".join(map(str, path))
        line = self._lines.get(self._find_known_prefix(path))
        return ": ".join(part for part in (f"{self.source}:{line}" if line else self.source, dotted) if part)

    def locate_keys(self) -> dict[str, str]:
        """Return file, line and key of each key, by its name in findings: ``sbatch['wrap']``, ``a.b``."""
        found = {}
        for path in self._lines:
            name, *inner = path
            source = self.locate(path)
            found[".".join(map(str, path))] = source
            found[str(name) + "".join(f"[{key!r}]" for key in inner)] = source
        return found

    def _build_finding(self, code: str, path: KeyPath, what: str, remedy: str = "") -> Finding:
        source = self.locate(path) if self._find_known_prefix(path) in self._lines else ""
        return Finding(code, ".".join(map(str, path)), what, remedy, source=source)

    def parse(self, kind: type[T], data: Mapping[str, object] | None = None) -> T:
        """Return the document as an instance of the dataclass ``kind``.

        Raises the document's error class with one finding for each wrong key or value.
        """
        raw = self.restore_texts(kind, self.data if data is None else data)
        try:
            parsed = typed.parse(kind, raw)
        except typed.WrongValuesError as err:
            raise self._error(*(self._build_finding(*wrong) for wrong in err.wrong)) from None
        return parsed

    def restore_texts(self, kind: type[object], data: Mapping[str, object]) -> dict[str, object]:
        """Return ``data``, the document's or overridden, with each number as its text if ``kind`` expects a string there."""
        found: dict[str, object] = typed.restore_texts(kind, data, self._texts)
        return found


def _is_canonical(node: yaml.ScalarNode) -> bool:
    """Return whether Python writes the number exactly as the file does."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if repr(kind(node.value)) == node.value:
                return True
    return False


def read_document(path: Path, error: type[InputError], verbatim: Collection[str] = ()) -> Document:
    """Read a YAML file. ``error`` is the class with which its findings are raised; see :class:`Document`."""
    try:
        text = read_text(path)
    except OSError as err:
        raise error(
            Finding("unreadable", str(path), f"can't be read: {err.strerror}", "name a YAML file that you can read")
        ) from None
    except UnicodeDecodeError as err:
        raise error(Finding("not-utf8", str(path), f"is not UTF-8 text (byte {err.start})", "save it as UTF-8")) from None
    return Document(text, str(path), error, verbatim)


def dump_yaml(data: Mapping[str, object]) -> str:
    """Return ``data`` as YAML that :func:`read_document` reads back without loss."""
    text: str = yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
