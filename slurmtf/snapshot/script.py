"""Find out what the entry script imports and which names it uses, including its modules in the source directory."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from slurmtf.job.contract.served import SLURMTF
from slurmtf.paths import is_file, is_folder
from slurmtf.snapshot.imports import Need, Statement, iterate_statements

FRAMEWORKS = ("tensorflow", "keras", "horovod", "mpi4py", "tf_keras")
OTHER_PLACES = ("sys.path", "path.insert", "path.append", "addsitedir")
"""Names with which a script adds places where Python looks for modules."""
RUNS = ("os.system", "subprocess.run", "subprocess.call", "subprocess.check_call", "check_call", "subprocess.Popen", "pip.main")


@dataclass(frozen=True)
class Import:
    """A top-level module from outside the source, the statement that needs it most (``file:line``), and how much."""

    module: str
    where: str
    need: Need
    name: str = ""
    """The dotted name in the statement: 'google.protobuf' for the module 'google'."""
    beside: str = ""
    """The folder above the source that has a module of this name: the source should begin there."""


@dataclass(frozen=True)
class ScriptFacts:
    """What is known about the entry script and the files of the source directory that it imports.

    ``imports`` are the imported modules, ``names`` the identifiers in the code, ``shadows`` the files that hide an installed
    package. ``foreign`` are the modules that must come from outside the source, ``places`` its files with the name of one.
    ``relative`` is the line of an import in the entry script that leaves its package, or is relative although the script is run
    as a file (else 0); ``levels`` is the number of packages above it that the script must be run in (``from ..x``: 2).
    ``certain`` is False if something could not be read: then imports and names may be missing here.
    """

    imports: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    shadows: tuple[str, ...] = ()
    certain: bool = False
    foreign: tuple[Import, ...] = ()
    places: dict[str, str] = field(default_factory=dict)
    relative: int = 0
    levels: int = 0

    def uses(self, *names: str) -> bool:
        """Return whether one of the names occurs."""
        return any(name in self.names for name in names)

    def imports_any(self, *packages: str) -> bool:
        """Return whether one of the top-level packages is imported."""
        return any(module.split(".")[0] in packages for module in self.imports)

    def locate_missing(self, missing: Iterable[str], files: Iterable[str]) -> ScriptFacts:
        """Return the facts with ``places``, the files named like a missing module, where Python does not look for modules.

        If the script makes Python look in other places, these modules count as found instead.
        """
        wanted, found = set(missing), dict[str, str]()
        for file in files if wanted else ():
            folder, _, name = file.rpartition("/")
            module = folder.rpartition("/")[2] if name == "__init__.py" else name.removesuffix(".py")
            if module in wanted and name.endswith(".py"):
                found.setdefault(module, file)
        if self.uses(*OTHER_PLACES):
            return replace(self, foreign=tuple(one for one in self.foreign if one.module not in found))
        return replace(self, places=found)


def examine(root: Path, script: str, is_module: bool = False) -> ScriptFacts:
    """Read the entry script and what it imports from ``root``. Runs nothing. ``is_module``: it is run by its name."""
    reading = _Reading(root, root / script, is_module)
    reading.follow()
    shadows = tuple(name for name in FRAMEWORKS if any(map(Path.is_file, _iterate_module_files(reading.bases, name))))
    need = Need.POSSIBLE if reading.is_unsteady() else Need.CERTAIN
    elsewhere = [one for one in reading.foreign.values() if one.module != SLURMTF]
    foreign = tuple(replace(one, need=min(one.need, need), beside=_find_above(root, one.module)) for one in elsewhere)
    packages = script.count("/") if is_module else 0
    leaving = [line for level, line in reading.relative if level > packages]
    return ScriptFacts(
        frozenset(reading.imports),
        frozenset(reading.names),
        shadows,
        reading.certain,
        foreign,
        relative=min(leaving, default=0),
        levels=max((level for level, _ in reading.relative), default=0),
    )


def _find_above(root: Path, module: str) -> str:
    """Return the folder above the source, two levels up at most, in which Python would find the module."""
    for folder in list(root.parents)[:2]:
        if is_file(folder / module / "__init__.py") or folder / module in (root, root.parent):
            return str(folder)
    return ""


def _iterate_module_files(bases: Iterable[Path], name: str) -> Iterator[Path]:
    yield from (path for base in bases for path in (base / f"{name}.py", base / name / "__init__.py"))


class _Reading:
    """The files that a script reads when it starts, one after the other, those that are certain to be read first."""

    def __init__(self, root: Path, script: Path, is_module: bool) -> None:
        first = root if is_module else script.parent  # sys.path[0]; the root is on PYTHONPATH
        self.bases = tuple(dict.fromkeys((first, root)))
        self.imports: set[str] = set()
        self.names: set[str] = set()
        self.foreign: dict[str, Import] = {}
        self.certain = True
        self.relative: list[tuple[int, int]] = []  # level and line
        self._root = root
        self._script = script
        self._installs = False
        self._waiting: list[tuple[Need, Path]] = [(Need.CERTAIN, script)]
        self._compiled = {path.name.partition(".")[0] for base in self.bases for path in base.glob("*.so")}

    def follow(self) -> None:
        seen: set[Path] = set()
        while self._waiting:
            need, path = self._waiting.pop(max(range(len(self._waiting)), key=lambda at: self._waiting[at][0]))
            if path not in seen and path.suffix == ".py":
                seen.add(path)
                self._read(path, need)

    def is_unsteady(self) -> bool:
        """Return whether the script changes where modules are found, or installs modules."""
        return any(name in self.names for name in OTHER_PLACES) or (self._installs and any(name in self.names for name in RUNS))

    def _read(self, path: Path, need: Need) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the script, not about our code
                tree = ast.parse(path.read_bytes())
            self.names |= set(_iterate_names(tree))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            self.certain = False
            return
        self._installs = self._installs or any(map(_is_about_pip, ast.walk(tree)))
        for statement in iterate_statements(tree, path == self._script):
            self.imports |= set(statement.imports)
            if statement.level and path == self._script and statement.need is Need.CERTAIN:
                self.relative.append((statement.level, statement.line))
            self._add(statement, path, min(need, statement.need))

    def _add(self, statement: Statement, path: Path, need: Need) -> None:
        bases = dict.fromkeys((*self.bases, path.parent))
        if statement.level:
            bases = dict.fromkeys([[path, *path.parents][min(statement.level, len(path.parents))]])
        own = next(filter(None, (list(_find_files(base, statement.parts, statement.names)) for base in bases)), [])
        self._waiting += [(need, file) for file in own]
        if own or statement.level:
            return
        module = statement.parts[0]
        if module in self._compiled:
            return
        known = self.foreign.get(module)
        if known is None or known.need < need:
            where = f"{os.path.relpath(path, self._root)}:{statement.line}"
            self.foreign[module] = Import(module, where, need, statement.module)


def _find_files(base: Path, parts: list[str], names: Iterable[str]) -> Iterator[Path]:
    """Yield the files below ``base`` that the import of a module runs, and the folder if it is a package without files."""
    place = base
    for part in parts:
        place = place / part
        if is_file(package := place / "__init__.py"):
            yield package
        elif is_file(module := place.with_name(f"{part}.py")):
            yield module
            return
        elif not is_folder(place):
            return
    inside = [file for name in names for file in _find_files(place, [name], ())]
    yield from inside if inside or names else [place]


def _is_about_pip(node: ast.AST) -> bool:
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and (text == "pip" or "pip install" in text)


def _iterate_names(tree: ast.AST) -> Iterator[str]:
    """Yield identifiers, including keyword arguments, and dotted pairs such as ``train.Server``."""
    for node in ast.walk(tree):
        yield from _list_names(node)


def _list_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute):
        owner = node.value
        before = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        return [node.attr, f"{before}.{node.attr}"] if before else [node.attr]
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.keyword):
        return [node.arg] if node.arg else []
    return [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
