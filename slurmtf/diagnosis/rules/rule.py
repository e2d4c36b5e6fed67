"""What a rule is, and the advice that several families give."""

from __future__ import annotations

from typing import NamedTuple

from slurmtf.diagnosis.kinds import Kind

MORE_MEMORY = "ask for more (`memory`), or use smaller batches, shuffle buffers and prefetching"


class Rule(NamedTuple):
    """``words``: one of them stands in each text that the pattern matches. ``remedy`` may use its groups, ``{0}``.

    ``anywhere``: nothing survives it, so that it counts also where it stands before the last traceback. ``vague``: it says that
    something failed, and not why: a line before it, of which another rule is certain, says more. ``by_script``: scripts say it
    themselves, in errors that they raise. ``called``: what stands in the line of code that raised it, where
    the system's text is the same for many calls. ``about``: what the errors that the logs show must speak of, if it is weak.
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
