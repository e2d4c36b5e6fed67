"""A software environment, resolved."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Software:
    """An interpreter, and how to bring it about in a batch script."""

    python: str
    modules: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    """The version of each package that is installed; empty when that is not known."""
