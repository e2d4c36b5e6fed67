"""Findings, collected along the way and told all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar

from slurmtf.errors import InputError, SpecError
from slurmtf.findings import Finding, located

T = TypeVar("T")
P = ParamSpec("P")


class Findings:
    """What is found on the way. A step that fails is no reason to leave out the others that don't need what it returns.

    ``sources`` is where the user wrote what (parameter to flag, or to file, line and key).
    """

    def __init__(self, sources: Mapping[str, str] | None = None) -> None:
        self._sources = sources or {}
        self._found: dict[Finding, None] = {}
        self._kinds: set[type[InputError]] = set()

    def speak_of(self, sources: Mapping[str, str]) -> None:
        """Tell from now on where the user wrote what."""
        self._sources = sources

    def add(self, findings: Iterable[Finding], kind: type[InputError] = SpecError) -> None:
        """Take findings; ``kind`` is how their errors are raised."""
        for finding in findings:
            self._found[located(finding, self._sources)] = None
            if finding.is_error:
                self._kinds.add(kind)

    def attempt(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a step returns; None when it raises an InputError, whose findings are taken."""
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
        """Raise all findings, warnings too, when one of them is an error: as their class, InputError when there are several."""
        if self._kinds:
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else InputError
            raise kind(*self._found)
