"""Findings: what is wrong or doubtful in a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from slurmtf.job.contract.interchange import JsonView
from slurmtf.spelling import spell

Severity = Literal["error", "warning"]
_FIRST_NAME = re.compile(r"\['([^'\\]+)'\]")
_LAST_KEY = re.compile(r"(\.[^.\[\]]+|\[[^\]]*\])$")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (an error: nothing is submitted) or doubtful (a warning).

    ``code`` identifies it to programs and ``silence``, and stays the same when the text changes. ``where`` names the parameter,
    file or line, ``what`` says what is wrong with it, ``remedy`` what to do; both mark the settings that they name (see
    :mod:`slurmtf.spelling`). ``source`` is where the user wrote it: a flag, ``job.yaml:7``, or empty for a Python keyword,
    which ``where`` already names.
    """

    code: str
    where: str
    what: str
    remedy: str = ""
    severity: Severity = "error"
    source: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def __str__(self) -> str:
        place, what = self.source or self.where, spell(self.what)
        text = f"{place}: {what}" if place else what
        text = text if self.is_error else f"{text} [{self.code}]"
        return f"{text}\n    -> {spell(self.remedy)}" if self.remedy else text

    def spell(self, sources: Mapping[str, str]) -> Finding:
        """Return it with its settings as their user spells them."""
        return replace(self, what=spell(self.what, sources), remedy=spell(self.remedy, sources))

    def to_dict(self) -> dict[str, str]:
        return {**asdict(self), "what": spell(self.what), "remedy": spell(self.remedy)}

    @classmethod
    def from_dict(cls, data: JsonView) -> Finding:
        """Return a finding that :meth:`to_dict` wrote; unknown keys are ignored."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


def build_warning(code: str, what: str, where: str = "", remedy: str = "") -> Finding:
    return Finding(code, where, what, remedy, "warning")


def locate(finding: Finding, sources: Mapping[str, str]) -> Finding:
    """Return a finding in its user's spelling, with the source of the setting that it names, or of the nearest enclosing
    setting that has one."""
    if sources:
        finding = finding.spell(sources)
    where = finding.where
    while where and not finding.source:
        if where in sources:
            return replace(finding, source=_add_inner_name(sources[where], finding.where.removeprefix(where)))
        above = _LAST_KEY.sub("", where)
        where = above if above != where else ""
    return finding


def _add_inner_name(source: str, rest: str) -> str:
    """Return a source with the name of the inner setting, for a flag that can be repeated: ``--sbatch nodes``."""
    name = _FIRST_NAME.match(rest)
    return f"{source} {name[1]}" if name and source.startswith("-") else source
