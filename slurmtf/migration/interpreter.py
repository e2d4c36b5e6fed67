"""Go through a file from top to bottom and record what its names hold, without calling or importing anything."""

from __future__ import annotations

import ast
import builtins
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

from slurmtf.migration.values import Symbol, Thing, Unknown, compute

PLAIN_CALLS: dict[str, Callable[[Any], Any]] = {
    "str": str, "int": int, "float": float, "math.log": math.log, "math.exp": math.exp, "numpy.log": math.log,
}  # fmt: skip
LONGEST_RANGE = 10_000
PATH_CALLS = ("os.path.join", "os.path.abspath", "os.path.realpath", "pathlib.Path", "Path")
DEEPEST = 200


class Interpreter:
    """What is known at the end of the file: ``things`` are all objects in the order of their construction."""

    def __init__(self, tree: ast.Module) -> None:
        self.names: dict[str, object] = {}
        self.things: list[Thing] = []
        self.doubtful: set[str] = set()
        """Names that are given a value under a condition or in a loop."""
        self._star = False
        self._depth = 0
        self._conditions = 0
        self._run(tree.body)

    # --- statements

    def _run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            method = getattr(self, f"_visit_{type(statement).__name__.lower()}", self._visit_other)
            method(statement)

    def _visit_import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            self.names[alias.asname or top] = Symbol(alias.name if alias.asname else top)

    def _visit_importfrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._star = self._star or (alias.name == "*" and (node.module or "").startswith("azureml"))
            self.names[alias.asname or alias.name] = Symbol(f"{node.module or ''}.{alias.name}")

    def _visit_assign(self, node: ast.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self._bind(target, value)

    def _visit_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, self.evaluate(node.value))

    def _visit_augassign(self, node: ast.AugAssign) -> None:
        joined = ast.copy_location(ast.BinOp(_as_expression(node.target), node.op, node.value), node)
        self._bind(node.target, self.evaluate(joined))

    def _visit_expr(self, node: ast.Expr) -> None:
        self.evaluate(node.value)

    _visit_return = _visit_expr

    def _visit_with(self, node: ast.With) -> None:
        for item in node.items:
            value = self.evaluate(item.context_expr)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, value)
        self._run(node.body)

    def _visit_for(self, node: ast.For) -> None:
        self.evaluate(node.iter)
        self._bind(node.target, Unknown(ast.unparse(node.target)))
        self._run_sometimes(node.body, node.orelse)

    def _visit_if(self, node: ast.If) -> None:
        if "__name__" in ast.unparse(node.test):
            self._run(node.body)
        else:
            self._run_sometimes(node.body, node.orelse)

    def _visit_try(self, node: ast.Try) -> None:
        self._run_sometimes(node.body, *(handler.body for handler in node.handlers), node.orelse)
        self._run(node.finalbody)

    def _visit_functiondef(self, node: ast.FunctionDef) -> None:
        """Go through the body once, with unknown arguments; its names are treated like the file's."""
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                self.names[argument.arg] = Unknown(argument.arg)
        self._run(node.body)

    def _visit_classdef(self, node: ast.ClassDef) -> None:
        self._run(node.body)

    def _visit_other(self, node: ast.stmt) -> None:
        blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        self._run_sometimes(*(block for block in blocks if isinstance(block, list)))

    def _run_sometimes(self, *blocks: list[ast.stmt]) -> None:
        self._conditions += 1
        for block in blocks:
            self._run(block)
        self._conditions -= 1

    def _bind(self, target: ast.expr, value: object) -> None:
        if isinstance(target, ast.Name):
            self._bind_name(target.id, value)
        elif isinstance(target, ast.Attribute):
            self._bind_attribute(target, value)
        elif isinstance(target, ast.Subscript):
            self._bind_item(target, value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._bind_each(target.elts, value)

    def _bind_each(self, targets: list[ast.expr], value: Any) -> None:
        known = isinstance(value, list) and len(value) == len(targets)
        for target, item in zip(targets, value if known else map(_as_unknown, targets), strict=True):
            self._bind(target, item)

    def _bind_name(self, name: str, value: object) -> None:
        if isinstance(value, Thing) and not value.variable:
            value.variable = name
        if self._conditions:
            self.doubtful.add(name)
        else:
            self.doubtful.discard(name)
        self.names[name] = value

    def _bind_attribute(self, target: ast.Attribute, value: object) -> None:
        owner = self.evaluate(target.value)
        if isinstance(owner, Thing):
            owner.attributes[target.attr] = value
            owner.lines[target.attr] = target.lineno

    def _bind_item(self, target: ast.Subscript, value: object) -> None:
        holder, key = self.evaluate(target.value), self.evaluate(target.slice)
        if isinstance(holder, dict) and isinstance(key, str | int):
            holder[key] = value

    # --- expressions

    def evaluate(self, node: ast.expr) -> Any:
        """Return what is known about an expression."""
        method = getattr(self, f"_evaluate_{type(node).__name__.lower()}", None)
        if method is None or self._depth > DEEPEST:
            return Unknown(_format_node(node))
        self._depth += 1
        try:
            return method(node)
        finally:
            self._depth -= 1

    def _evaluate_constant(self, node: ast.Constant) -> object:
        return node.value if isinstance(node.value, str | int | float | bool | None) else Unknown(_format_node(node))

    def _evaluate_name(self, node: ast.Name) -> object:
        if node.id in self.names:
            return self.names[node.id]
        from_star = self._star and not hasattr(builtins, node.id)
        return Symbol(f"azureml.{node.id}") if from_star else Unknown(node.id)

    def _evaluate_list(self, node: ast.List | ast.Tuple | ast.Set) -> object:
        return [self.evaluate(item) for item in node.elts]

    _evaluate_tuple = _evaluate_set = _evaluate_list

    def _evaluate_dict(self, node: ast.Dict) -> object:
        found: dict[object, object] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.evaluate(item)
            name = self.evaluate(key) if key is not None else None
            if key is None and isinstance(value, dict):
                found.update(value)
            elif isinstance(name, str | int | float):
                found[name] = value
            else:
                return Unknown(_format_node(node))
        return found

    def _evaluate_joinedstr(self, node: ast.JoinedStr) -> object:
        parts = [self.evaluate(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values]
        formatted = any(isinstance(part, ast.FormattedValue) and part.format_spec for part in node.values)
        known = all(isinstance(part, str | int | float) for part in parts) and not formatted
        return "".join(map(str, parts)) if known else Unknown(_format_node(node))

    def _evaluate_unaryop(self, node: ast.UnaryOp) -> object:
        value = self.evaluate(node.operand)
        if isinstance(node.op, ast.USub) and isinstance(value, int | float):
            return -value
        return not value if isinstance(node.op, ast.Not) and isinstance(value, bool) else Unknown(_format_node(node))

    def _evaluate_binop(self, node: ast.BinOp) -> object:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        try:
            return compute(type(node.op).__name__, left, right)
        except ValueError:
            return Unknown(_format_node(node))

    def _evaluate_attribute(self, node: ast.Attribute) -> object:
        owner = self.evaluate(node.value)
        if isinstance(owner, Symbol):
            return Symbol(f"{owner.path}.{node.attr}")
        return owner.get_attribute(node.attr, node.lineno) if isinstance(owner, Thing) else Unknown(_format_node(node))

    def _evaluate_subscript(self, node: ast.Subscript) -> object:
        holder, key = self.evaluate(node.value), self.evaluate(node.slice)
        try:
            return holder[key] if isinstance(holder, dict | list) else Unknown(_format_node(node))
        except (LookupError, TypeError):
            return Unknown(_format_node(node))

    def _evaluate_call(self, node: ast.Call) -> object:
        function = self.evaluate(node.func)
        args = [self.evaluate(argument) for argument in node.args]
        kwargs = dict(self._evaluate_keywords(node))
        path = function.path if isinstance(function, Symbol) else _format_node(node.func)
        if path in PATH_CALLS and all(isinstance(part, str) for part in args) and args:
            return os.path.normpath(os.path.join(*args)) if path.endswith("join") else args[0]  # noqa: PTH118 - text
        if path in PLAIN_CALLS and len(args) == 1 and isinstance(args[0], str | int | float):
            return _convert(path, args[0], node)
        if path == "dict" and not args:
            return kwargs
        if path == "range" and 1 <= len(args) <= 3 and all(isinstance(part, int) for part in args):
            return _expand_range(args, node)
        return self._build_thing(node, function, args, kwargs)

    def _evaluate_keywords(self, node: ast.Call) -> Iterator[tuple[str, object]]:
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                yield keyword.arg, value
            elif isinstance(value, dict):
                yield from ((str(name), item) for name, item in value.items())
            else:
                yield "**", Unknown(_format_node(keyword.value))

    def _build_thing(self, node: ast.Call, function: object, args: list[object], kwargs: dict[str, object]) -> object:
        """Return the object that a call constructs: of something imported, or a method of an earlier object."""
        owner: Thing | None = None
        if isinstance(function, Thing):
            symbol, owner = function.symbol, function.owner
        elif isinstance(function, Symbol):
            symbol = function
        else:
            return Unknown(_format_node(node))
        lines = {keyword.arg: keyword.value.lineno for keyword in node.keywords if keyword.arg}
        thing = Thing(symbol, node.lineno, _format_node(node), args, kwargs, owner, lines=lines)
        if owner is not None:
            owner.attributes.pop(symbol.name, None)
            owner.calls.append(thing)
        self.things.append(thing)
        return thing

    def _evaluate_await(self, node: ast.Await) -> object:
        return self.evaluate(node.value)


def _convert(name: str, value: object, node: ast.expr) -> object:
    try:
        return PLAIN_CALLS[name](value)
    except (ValueError, OverflowError, TypeError):
        return Unknown(_format_node(node))


def _expand_range(bounds: list[int], node: ast.expr) -> object:
    try:
        numbers = range(*bounds)
    except ValueError:
        return Unknown(_format_node(node))
    return list(numbers) if len(numbers) <= LONGEST_RANGE else Unknown(_format_node(node))


def _as_unknown(node: ast.expr) -> Unknown:
    return Unknown(ast.unparse(node))


def _as_expression(target: ast.expr) -> ast.expr:
    """Return the target of an assignment as an expression that is read."""
    copied = ast.parse(ast.unparse(target), mode="eval").body
    return ast.copy_location(copied, target)


def _format_node(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 80 else text[:77] + "..."
