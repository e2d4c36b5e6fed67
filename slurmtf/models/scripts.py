"""Check that a score script has Azure ML's two functions, before anything is submitted: it is parsed, never run."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from slurmtf.errors import InputError
from slurmtf.findings import Finding

TAKES = {"init": 0, "run": 1}
"""The functions, and the number of arguments of each."""
CALLS = {"init": "init()", "run": "run(data)"}
REMEDY = 'define init(), called once, and run(data), called for each batch: see docs/models.md, "Score files"'
DYNAMIC = {"globals", "exec", "setattr", "vars"}
"""Names with which a script may define functions that parsing can't see."""
PYTHON = "{}.{}".format(*sys.version_info)
Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


class Definitions(NamedTuple):
    """The names that a script binds at its top level: functions, and others (``run = model.predict``, ``import``). ``open``:
    it may bind more than can be seen."""

    functions: dict[str, Function]
    names: set[str]
    open: bool


def check_script(path: str | Path) -> None:
    """Raise InputError if a file is not a score script: it does not exist, is not Python, or lacks the two functions."""
    file = Path(path)
    if not file.is_file():
        raise InputError(Finding("no-script", "script", f"{path} does not exist", "pass a file with init() and run(data)"))
    found = check_script_text(file.read_bytes(), str(path))
    if found:
        raise InputError(*found)


def check_script_text(text: bytes, name: str) -> list[Finding]:
    """Return the findings about the text of a score script; ``name`` is its name in messages."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as err:
        line = getattr(err, "lineno", None) or 1
        return [
            Finding("bad-script", f"{name}:{line}", f"is not Python {PYTHON}: {getattr(err, 'msg', err)}", "correct that line")
        ]
    defined = _find_defined(tree)
    return [Finding("bad-script", *one, REMEDY) for called in TAKES for one in _find_errors(defined, called, name)]


def _find_errors(defined: Definitions, called: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield line and text of each error of one of the functions."""
    function = defined.functions.get(called)
    if function is None:
        if not defined.open and called not in defined.names:
            yield name, f"has no function {CALLS[called]}"
        return
    where = f"{name}:{function.lineno}"
    if isinstance(function, ast.AsyncFunctionDef):
        yield where, f"{called} is async, and is called as {CALLS[called]}"
    elif not function.decorator_list and not can_take(function.args, TAKES[called]):
        yield where, f"{called}({ast.unparse(function.args)}) can't be called as {CALLS[called]}"


def can_take(arguments: ast.arguments, number: int) -> bool:
    """Return whether a function can be called with so many positional arguments."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    needed = positional - len(arguments.defaults)
    keywords = any(default is None for default in arguments.kw_defaults)
    return needed <= number and (number <= positional or arguments.vararg is not None) and not keywords


def _find_defined(tree: ast.Module) -> Definitions:
    functions, names = dict[str, Function](), set[str]()
    for node in _walk_top_level(tree):
        bound = _get_bound_name(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and bound not in functions:
            functions[bound] = node
        elif bound:
            names.add(bound)  # with several of one name, it is unknown which one counts
    every = list(ast.walk(tree))
    names.update(name for node in every if isinstance(node, ast.Global) for name in node.names)
    unseen = any(isinstance(node, ast.Name) and node.id in DYNAMIC for node in every)
    kept = {name: function for name, function in functions.items() if name not in names}
    return Definitions(kept, names, unseen or "*" in names or "__getattr__" in functions)


def _get_bound_name(node: ast.AST) -> str:
    """Return the name that a node binds; empty if it binds none."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.alias):
        return node.asname or node.name.partition(".")[0]
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""


def _walk_top_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes at a module's top level, including branches and loops, but not the bodies of functions and classes."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _walk_top_level(node)
