"""What the entry script says of itself: what it imports and which names it uses, followed through the source directory."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FRAMEWORKS = ("tensorflow", "keras", "horovod", "mpi4py", "tf_keras")


@dataclass(frozen=True)
class ScriptFacts:
    """``imports`` are the modules that are imported, ``names`` the identifiers that occur in code, in the entry script and
    in the files of the source directory that it imports. ``shadows`` are files there that hide an installed package.
    ``certain`` is False when something could not be read: then what is absent may be there all the same."""

    imports: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    shadows: tuple[str, ...] = ()
    certain: bool = False

    def uses(self, *names: str) -> bool:
        """Tell whether one of the names occurs."""
        return any(name in self.names for name in names)

    def imports_any(self, *packages: str) -> bool:
        """Tell whether one of the top-level packages is imported."""
        return any(module.split(".")[0] in packages for module in self.imports)


def examine(root: Path, script: str) -> ScriptFacts:
    """Read the entry script and what it imports from ``root``. Nothing is run."""
    imports: set[str] = set()
    names: set[str] = set()
    waiting, seen, certain = [root / script], set(), True
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            certain = False
            continue
        found = set(_imports(tree))
        imports |= found
        names |= set(_names(tree))
        waiting += [local for module in found for local in _local_files(root, path.parent, module)]
    shadows = tuple(name for name in FRAMEWORKS if (root / f"{name}.py").is_file() or (root / name / "__init__.py").is_file())
    return ScriptFacts(frozenset(imports), frozenset(names), shadows, certain)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield prefix
            yield from (f"{prefix}.{alias.name}".replace("..", ".") for alias in node.names)


def _names(tree: ast.AST) -> Iterator[str]:
    """Yield identifiers, and dotted pairs such as ``train.Server``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
            owner = node.value
            if isinstance(owner, ast.Attribute | ast.Name):
                yield f"{owner.attr if isinstance(owner, ast.Attribute) else owner.id}.{node.attr}"
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


def _local_files(root: Path, folder: Path, module: str) -> Iterator[Path]:
    """Yield the files of the source directory that a module's name stands for."""
    parts = [part for part in module.split(".") if part]
    if not parts:
        return
    for base in dict.fromkeys((root, folder)):
        path = base.joinpath(*parts)
        yield from (found for found in (path.with_suffix(".py"), path / "__init__.py") if found.is_file())
