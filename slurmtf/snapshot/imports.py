"""The import statements of a file, and how certain it is that each is run."""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CATCHERS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
EXITS = {"exit", "quit", "_exit", "fatal", "error"}
CHOICES = {"version_info", "platform", "find_spec", "system", "machine", "python_version", "hexversion"}
"""Names in conditions that choose between modules, of which only one must be installed."""
TRIES: tuple[type[ast.Try], ...] = (ast.Try, getattr(ast, "TryStar", ast.Try))


class Need(enum.IntEnum):
    """How much a script needs what it imports."""

    HANDLED = 0
    """The script continues without it."""
    POSSIBLE = 1
    """The import is in a function or under a condition."""
    CERTAIN = 2


@dataclass(frozen=True)
class Statement:
    """``import module``, or ``from module import names``, with the ``level`` of dots before it."""

    module: str
    names: tuple[str, ...]
    level: int
    line: int
    need: Need

    @property
    def parts(self) -> list[str]:
        return self.module.split(".") if self.module else []

    @property
    def imports(self) -> Iterator[str]:
        """Yield the dotted names of the modules, and of names that may be modules."""
        prefix = "." * self.level + self.module
        yield prefix
        yield from (f"{prefix}.{name}".replace("..", ".") for name in self.names)


def iterate_statements(tree: ast.Module, is_main: bool) -> Iterator[Statement]:
    """Yield the import statements, except those for type checkers, and those for ``__main__`` in a file that is not."""
    waiting: list[tuple[ast.stmt, Need]] = [(node, Need.CERTAIN) for node in reversed(tree.body)]
    while waiting:
        node, need = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (Statement(alias.name, (), 0, node.lineno, need) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Statement(node.module or "", names, node.level, node.lineno, need)
        else:
            inner = [(child, min(need, own)) for block, own in _split_blocks(node, is_main) for child in block]
            waiting += reversed(inner)


Block = tuple[list[ast.stmt], Need]


def _split_blocks(node: ast.stmt, is_main: bool) -> Iterable[Block]:
    """Return the blocks of a statement, each with how certain it is that it runs if the statement does."""
    if isinstance(node, ast.If):
        return _split_condition(node, is_main)
    if isinstance(node, TRIES):
        return _split_try(node)
    if isinstance(node, ast.With | ast.AsyncWith):
        calls = [ast.unparse(item.context_expr) for item in node.items]
        return [(node.body, Need.HANDLED if any("suppress(" in call for call in calls) else Need.CERTAIN)]
    if isinstance(node, ast.ClassDef):
        return [(node.body, Need.CERTAIN)]
    if isinstance(node, ast.Match):
        return [(case.body, Need.POSSIBLE) for case in node.cases]
    return [(getattr(node, name, []), Need.POSSIBLE) for name in ("body", "orelse")]  # functions and loops


def _split_condition(node: ast.If, is_main: bool) -> Iterator[Block]:
    if isinstance(node.test, ast.Name | ast.Attribute) and _get_last_name(node.test) == "TYPE_CHECKING":
        yield node.orelse, Need.CERTAIN
    elif _is_main_check(node.test):
        yield (node.body, Need.CERTAIN) if is_main else (node.orelse, Need.CERTAIN)
    else:
        asked = {_get_last_name(part) for part in ast.walk(node.test)}
        need = Need.HANDLED if asked & CHOICES else Need.POSSIBLE
        yield node.body, need
        yield node.orelse, need


def _is_main_check(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    return any(_get_last_name(side) == "__name__" for side in sides) and any(
        isinstance(side, ast.Constant) and side.value == "__main__" for side in sides
    )


def _split_try(node: ast.Try) -> Iterator[Block]:
    caught = [handler for handler in node.handlers if _can_catch(handler.type)]
    need = Need.HANDLED if any(not _is_giving_up(handler.body) for handler in caught) else Need.CERTAIN
    yield node.body, need
    yield node.orelse, need
    yield from ((handler.body, Need.HANDLED if handler in caught else Need.POSSIBLE) for handler in node.handlers)
    yield node.finalbody, Need.CERTAIN


def _can_catch(kind: ast.expr | None) -> bool:
    """Return whether a handler catches the error of a missing module."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(one is None or _get_last_name(one) in CATCHERS for one in kinds)


def _is_giving_up(body: Iterable[ast.stmt]) -> bool:
    """Return whether a handler ends the script, or passes the error on."""
    *_, last = body
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return _get_last_name(last.value.func) in EXITS
    return isinstance(last, ast.Raise)


def _get_last_name(node: ast.AST) -> str:
    """Return the last name of ``a.b.name``; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
