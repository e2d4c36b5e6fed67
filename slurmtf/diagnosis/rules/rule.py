"""The type of a rule, and the advice that several families share."""

from __future__ import annotations

from typing import NamedTuple

from slurmtf.diagnosis.kinds import Kind

MORE_MEMORY = "ask for more (`memory`), or use smaller batches, shuffle buffers and prefetching"


class Rule(NamedTuple):
    """A pattern in logs, and what it means.

    ``words``: every text that the pattern matches contains at least one of them. ``remedy`` may use the pattern's groups,
    ``{0}``. ``weak`` and ``cascade``: see :mod:`slurmtf.diagnosis.rules`. ``anywhere``: nothing survives it, so it counts even
    before the last traceback. ``vague``: it says that something failed but not why, so an earlier line that matches a certain
    rule says more. ``by_script``: scripts raise such errors themselves. ``called``: a pattern for the line of code that raised
    it, if the system's text is the same for many calls. ``about``: a pattern that the errors in the logs must match, if weak.
    """

    id: str
    kind: Kind
    words: tuple[str, ...]
    pattern: str
    remedy: str
    weak: bool = False
    cascade: bool = False
    anywhere: bool = False
    vague: bool = False
    by_script: bool = False
    called: str = ""
    about: str = ""
