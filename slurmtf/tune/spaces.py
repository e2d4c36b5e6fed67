"""The values that a parameter may have: Azure ML's expressions, with the same meanings.

The bounds of ``loguniform`` are logarithms: ``loguniform(-6, -1)`` is between 0.0025 and 0.37. ``quniform(1, 10, 3)`` is one of
0, 3, 6, 9: after rounding to a multiple of ``q``, a value may be outside of the bounds.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurmtf.errors import SpecError, suggest
from slurmtf.findings import Finding

Value = object
"""A value that JSON can hold: a string, a number, a boolean, or a list of these."""


@dataclass(frozen=True)
class Expression:
    """One of the functions below with its arguments."""

    name: str
    args: tuple[Any, ...]

    @property
    def options(self) -> tuple[Value, ...] | None:
        """The values, if they can be listed; None if there are infinitely many."""
        if self.name == "choice":
            return self.args
        return tuple(range(self.args[0])) if self.name == "randint" else None

    def draw(self, source: random.Random) -> Value:
        """Return a value drawn at random."""
        options = self.options
        return _DRAWS[self.name](source, *self.args) if options is None else options[source.randrange(len(options))]

    def to_list(self) -> list[object]:
        """Return the expression in Azure ML's form: ``["choice", [[16, 32]]]``, ``["uniform", [0, 1]]``."""
        return [self.name, [list(self.args)] if self.name == "choice" else list(self.args)]


def choice(*options: object) -> Expression:
    """Return one of these values, or one from a single list or range. Raises SpecError."""
    listed = options[0] if len(options) == 1 and isinstance(options[0], list | tuple | range) else options
    return _build_expression("choice", tuple(listed))


def randint(upper: int) -> Expression:
    """Return a whole number from 0 to ``upper`` - 1. Raises SpecError."""
    return _build_expression("randint", (upper,))


def uniform(min_value: float, max_value: float) -> Expression:
    """Return a number between the bounds, uniformly distributed. Raises SpecError."""
    return _build_expression("uniform", (min_value, max_value))


def quniform(min_value: float, max_value: float, q: float) -> Expression:
    """Return ``round(uniform(min_value, max_value) / q) * q``. Raises SpecError."""
    return _build_expression("quniform", (min_value, max_value, q))


def loguniform(min_value: float, max_value: float) -> Expression:
    """Return ``exp(uniform(min_value, max_value))``: the bounds are logarithms. Raises SpecError."""
    return _build_expression("loguniform", (min_value, max_value))


def qloguniform(min_value: float, max_value: float, q: float) -> Expression:
    """Return ``round(exp(uniform(min_value, max_value)) / q) * q``. Raises SpecError."""
    return _build_expression("qloguniform", (min_value, max_value, q))


def normal(mu: float, sigma: float) -> Expression:
    """Return a normally distributed number. Raises SpecError."""
    return _build_expression("normal", (mu, sigma))


def qnormal(mu: float, sigma: float, q: float) -> Expression:
    """Return ``round(normal(mu, sigma) / q) * q``. Raises SpecError."""
    return _build_expression("qnormal", (mu, sigma, q))


def lognormal(mu: float, sigma: float) -> Expression:
    """Return ``exp(normal(mu, sigma))``. Raises SpecError."""
    return _build_expression("lognormal", (mu, sigma))


def qlognormal(mu: float, sigma: float, q: float) -> Expression:
    """Return ``round(exp(normal(mu, sigma)) / q) * q``. Raises SpecError."""
    return _build_expression("qlognormal", (mu, sigma, q))


def _round(value: float, q: float) -> float:
    return round(value / q) * q


_DRAWS: dict[str, Callable[..., Value]] = {
    "uniform": random.Random.uniform,
    "quniform": lambda source, low, high, q: _round(source.uniform(low, high), q),
    "loguniform": lambda source, low, high: math.exp(source.uniform(low, high)),
    "qloguniform": lambda source, low, high, q: _round(math.exp(source.uniform(low, high)), q),
    "normal": random.Random.gauss,
    "qnormal": lambda source, mu, sigma, q: _round(source.gauss(mu, sigma), q),
    "lognormal": lambda source, mu, sigma: math.exp(source.gauss(mu, sigma)),
    "qlognormal": lambda source, mu, sigma, q: _round(math.exp(source.gauss(mu, sigma)), q),
}
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "choice": (),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "loguniform": ("min_value", "max_value"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
}
LARGEST_EXPONENT = 700
"""The exponent above which exp() overflows (IEEE 754 double)."""


def parse_expression(data: object, where: str = "") -> Expression:
    """Return the expression for ``{"uniform": [0, 1]}``, Azure ML's ``["uniform", [0, 1]]``, or an Expression. Raises
    SpecError."""
    if isinstance(data, Expression):
        return data
    if isinstance(data, Mapping) and len(data) == 1:
        ((name, args),) = data.items()
    elif isinstance(data, list | tuple) and len(data) == 2 and isinstance(data[0], str) and isinstance(data[1], list | tuple):
        name, args = data
    else:
        what = f"{data!r} is not an expression"
        raise SpecError(Finding("bad-expression", where, what, "write {choice: [16, 32]}, {uniform: [0, 1]} and the like"))
    args = tuple(args) if isinstance(args, list | tuple) else (args,)
    single = name == "choice" and len(args) == 1 and isinstance(args[0], list | tuple)
    return _build_expression(str(name), tuple(args[0]) if single else args, where)


def _build_expression(name: str, args: tuple[object, ...], where: str = "") -> Expression:
    findings = list(check_expression(name, args, where or name))
    if findings:
        raise SpecError(*findings)
    return Expression(name, args)


def check_expression(name: str, args: Sequence[object], where: str) -> Iterable[Finding]:
    """Yield what is wrong with an expression."""
    if name not in ARGUMENTS:
        remedy = suggest(name, ARGUMENTS) or f"use one of {', '.join(ARGUMENTS)}"
        yield Finding("unknown-expression", where, f"{name!r} is not an expression", remedy)
    elif name == "choice":
        yield from _check_choice(args, where)
    elif len(args) != len(ARGUMENTS[name]):
        what = f"{name} takes {len(ARGUMENTS[name])} numbers, not {len(args)}"
        yield Finding("bad-expression", where, what, f"write {name}({', '.join(ARGUMENTS[name])})")
    elif not all(_is_number(arg) for arg in args):
        yield Finding("bad-expression", where, f"{name} takes numbers, not {list(args)!r}", "write finite numbers")
    else:
        yield from _check_numbers(name, args, where)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_choice(options: Sequence[object], where: str) -> Iterable[Finding]:
    if not options:
        yield Finding("empty-choice", where, "there is nothing to choose from", "list at least one value")
    for option in options:
        try:
            json.dumps(option, allow_nan=False)
        except (TypeError, ValueError):
            what = f"{option!r} can't be an argument"
            yield Finding("bad-option", where, what, "use strings, numbers, booleans, or lists of these")


def _check_numbers(name: str, args: Sequence[Any], where: str) -> Iterable[Finding]:
    named = dict(zip(ARGUMENTS[name], args, strict=True))
    if name == "randint" and not (isinstance(args[0], int) and args[0] > 0):
        yield Finding("bad-bounds", where, f"upper is {args[0]}", "use a whole number above 0: randint draws below it")
    if "min_value" in named and not named["min_value"] < named["max_value"]:
        yield Finding("bad-bounds", where, f"{args[0]} is not below {args[1]}", "write the smaller bound first")
    if named.get("sigma", 0) < 0:
        yield Finding("bad-bounds", where, f"sigma is {named['sigma']}", "use a sigma of at least 0")
    if named.get("q", 1) <= 0:
        yield Finding("bad-bounds", where, f"q is {named['q']}", "use a q above 0: values are multiples of it")
    if "log" in name and max(args[0] + 8 * named.get("sigma", 0), args[0], named.get("max_value", args[0])) > LARGEST_EXPONENT:
        yield Finding("bad-bounds", where, "the bounds are logarithms, and exp() of these is too large", "write log(bound)")
