"""The entry script: a file of the source directory, or a module of it that is run by its name (python -m pkg.train)."""

from __future__ import annotations

import re

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def module_name(entry: str) -> str:
    """Return the dotted name when ``entry`` is that of a module ('pkg.train'); empty when it is a path."""
    return entry if _MODULE.fullmatch(entry) and not entry.endswith(".py") else ""


def module_file(module: str) -> str:
    """Return the file of a module, relative to the source."""
    return module.replace(".", "/") + ".py"
