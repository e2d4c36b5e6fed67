"""What can be known of values without running anything: constants, and objects that are built from them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from slurmtf.documents import GivenSettings

MOST_TEXT = 100_000


@dataclass(frozen=True)
class Unknown:
    """What only running the file would tell; ``text`` is its source."""

    text: str


@dataclass(frozen=True)
class Symbol:
    """Something that is imported, by its dotted name."""

    path: str

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def is_azure(self) -> bool:
        return self.path.partition(".")[0] == "azureml"


@dataclass(eq=False)
class Thing:
    """An object that a call returns, or an attribute of one: what it was given, what was set on it and called of it since.

    ``owner`` is the object whose method or attribute it comes from. ``lines`` says where each argument and attribute stands.
    """

    symbol: Symbol
    line: int
    text: str
    args: list[object] = field(default_factory=list)
    kwargs: dict[str, object] = field(default_factory=dict)
    owner: Thing | None = None
    attributes: GivenSettings = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    calls: list[Thing] = field(default_factory=list)
    variable: str = ""

    @property
    def name(self) -> str:
        return self.symbol.name

    @property
    def is_azure(self) -> bool:
        """Whether it comes from Azure ML: by its own name, or by that of the object it belongs to."""
        return self.symbol.is_azure or (self.owner is not None and self.owner.is_azure)

    def iterate_arguments(self, names: tuple[str, ...]) -> Iterator[tuple[str, object, int]]:
        """Yield name, value and line of each argument; ``names`` are those of the ones without a name, in order."""
        for name, value in zip(names, self.args, strict=False):
            yield name, value, self.line
        for name, value in self.kwargs.items():
            yield name, value, self.lines.get(name, self.line)

    def argument(self, name: str, names: tuple[str, ...] = ()) -> object:
        """Return an argument; None when it was not given."""
        return next((value for known, value, _ in self.iterate_arguments(names) if known == name), None)

    def get_attribute(self, name: str, line: int) -> object:
        """Return what was set as an attribute, or an object that stands for it."""
        if name not in self.attributes:
            self.attributes[name] = Thing(
                Symbol(f"{self.symbol.path}.{name}"), line, f"{self.variable or self.text}.{name}", owner=self
            )
        return self.attributes[name]


class UnknownPartError(Exception):
    """A value holds something that is not known."""

    def __init__(self, part: Unknown | Thing | Symbol) -> None:
        self.part = part
        super().__init__(part.path if isinstance(part, Symbol) else part.text)


def to_plain(value: object) -> Any:
    """Return a value that is known to its last part. Raises UnknownPartError with the first that is not."""
    if isinstance(value, Unknown | Thing | Symbol):
        raise UnknownPartError(value)
    if isinstance(value, dict):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, list) else value


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
}


def compute(name: str, left: object, right: object) -> object:
    """Return the result of an operation on constants. Raises ValueError if they are none, or the result is very long."""
    numbers = all(isinstance(value, int | float) for value in (left, right))
    joined = name == "Add" and type(left) is type(right) and isinstance(left, str | list)
    if name not in OPERATORS or not (numbers or joined):
        raise ValueError(name)
    try:
        result = OPERATORS[name](left, right)
    except (ArithmeticError, TypeError) as err:
        raise ValueError(str(err)) from None
    if isinstance(result, str | list) and len(result) > MOST_TEXT:
        raise ValueError("too long")
    return result
