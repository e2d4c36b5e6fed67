"""What is wrong or doubtful with what was asked: collected along the way, and told all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

Severity = Literal["error", "warning"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (an error: nothing is submitted) or doubtful (a warning).

    ``code`` is what programs and ``silence`` know it by, and stays when the words change. ``where`` names the parameter, file
    or line, ``what`` says what is wrong with it, ``remedy`` what to do. ``source`` is where the user wrote it, in his words: a
    flag, ``job.yaml:7``, or empty for the Python keyword that ``where`` is.
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
        place = self.source or self.where
        text = f"{place}: {self.what}" if place else self.what
        text = text if self.is_error else f"{text} [{self.code}]"
        return f"{text}\n    -> {self.remedy}" if self.remedy else text

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """Return a finding that was written by :meth:`to_dict`; unknown keys are left."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


def warning(code: str, what: str, where: str = "", remedy: str = "") -> Finding:
    return Finding(code, where, what, remedy, "warning")
