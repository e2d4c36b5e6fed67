"""Collect findings and report them all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar

from slurmtf.errors import InputError, SpecError
from slurmtf.findings import Finding, locate

T = TypeVar("T")
P = ParamSpec("P")


class Findings:
    """The findings so far. If one step fails, later steps that do not need its result still run.

    ``sources`` maps each parameter to where the user set it (a flag, or file, line and key).
    """

    def __init__(self, sources: Mapping[str, str] | None = None) -> None:
        self._sources = sources or {}
        self._found: dict[Finding, None] = {}
        self._kinds: set[type[InputError]] = set()

    def set_sources(self, sources: Mapping[str, str]) -> None:
        """Set where the user wrote each setting, for later findings."""
        self._sources = sources

    def add(self, findings: Iterable[Finding], kind: type[InputError] = SpecError) -> None:
        """Add findings; ``kind`` is the class with which their errors are raised."""
        for finding in findings:
            self._found[locate(finding, self._sources)] = None
            if finding.is_error:
                self._kinds.add(kind)

    def attempt(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return the result of a step; None if it raises an InputError, whose findings are added."""
        try:
            return step(*args, **kwargs)
        except InputError as err:
            self.add(err.findings, type(err))
            return None

    @property
    def found(self) -> tuple[Finding, ...]:
        return tuple(self._found)

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self._found}

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self._found if not finding.is_error)

    def raise_errors(self) -> None:
        """Raise all findings, including warnings, if one of them is an error: as its class, or InputError if the errors have
        several classes."""
        if self._kinds:
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else InputError
            raise kind(*self._found)
