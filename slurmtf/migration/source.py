"""Parse a script or a notebook into a syntax tree, and record where each of its lines is."""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurmtf.errors import InputError
from slurmtf.findings import Finding
from slurmtf.paths import read_text

MAGIC = re.compile(r"^\s*[%!?]")
ASSIGNED_MAGIC = re.compile(r"^(\s*\w+\s*=\s*)[%!].*$")


@dataclass(frozen=True)
class Source:
    """``places`` tell for each line of the tree where it stands in the file: '12', in a notebook 'cell 3, line 2'."""

    path: Path
    tree: ast.Module
    places: tuple[str, ...]

    def place(self, line: int) -> str:
        return self.places[line - 1] if 0 < line <= len(self.places) else ""


def read_source(path: Path) -> Source:
    """Read a .py or .ipynb file. Raises InputError if it is neither, or not Python."""
    try:
        text = read_text(path, "utf-8-sig")
        lines, places = _split_notebook(text) if path.suffix == ".ipynb" else _split_script(text)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as err:
        reason = getattr(err, "strerror", None) or "it is not a notebook, or not UTF-8"
        raise InputError(Finding("unreadable", str(path), f"can't be read: {reason}", "name a .py or .ipynb file")) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        line = getattr(err, "lineno", None) or 0
        place = f"{path}:{places[line - 1]}" if 0 < line <= len(places) else str(path)
        what = f"is not Python: {getattr(err, 'msg', None) or err}"
        raise InputError(Finding("not-python", place, what, "fix it, or convert Python 2 with 2to3")) from None
    return Source(path, tree, tuple(places))


def _split_script(text: str) -> tuple[list[str], list[str]]:
    lines = text.split("\n")
    return lines, [str(number) for number in range(1, len(lines) + 1)]


def _split_notebook(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of the code cells; what IPython alone understands is left blank."""
    lines: list[str] = []
    places: list[str] = []
    for number, cell in enumerate(json.loads(text)["cells"], 1):
        if cell["cell_type"] != "code":
            continue
        own = _split_cell(cell["source"])
        is_other = any(line.lstrip().startswith("%%") for line in own[:1])
        for row, line in enumerate(own, 1):
            lines.append("" if is_other else _replace_magic(line))
            places.append(f"cell {number}, line {row}")
    return lines, places


def _split_cell(source: Any) -> list[str]:
    return (source if isinstance(source, str) else "".join(source)).split("\n")


def _replace_magic(line: str) -> str:
    if MAGIC.match(line):
        return re.sub(r"\S.*", "pass", line)
    return ASSIGNED_MAGIC.sub(r"\1None", re.sub(r"\?+\s*$", "", line) if not line.lstrip().startswith("#") else line)
