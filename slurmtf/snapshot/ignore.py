"""Decide which names of a source directory are left out: those that gitignore(5) patterns name, and some in every snapshot."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.caches import get_or_build, read_stamps

if TYPE_CHECKING:
    import pathspec

IGNORE_FILES = (".slurmtfignore", ".amlignore", ".gitignore")
"""The first of these in the source directory is used, and no other."""
ALWAYS_IGNORED = (
    ".git",
    "__pycache__/",
    ".ipynb_checkpoints/",
    "/outputs",
    "/logs",
    "/.slurmtf/",
    "/.azureml/",
    "/azureml-logs/",
)
ANYWHERE = "^(?:.+/)?"
"""The prefix of pathspec's expression for a pattern that applies in every folder."""
NEVER = "(?!)"


class Ignore:
    """The patterns of a source directory, for a walk that does not enter ignored folders.

    pathspec tries one pattern after the other, and most names match none. So all patterns are tried at once first.
    """

    def __init__(self, root: Path) -> None:
        self._lines = _read_lines(root)
        patterns = _compile_expressions(self._lines)
        texts = [re.sub(r"\(\?P<\w+>/\)", "/", text) for text, _ in patterns]  # a group's name can occur only once
        self._base = _compile_union(text[len(ANYWHERE) :] for text in texts if _is_of_base(text))
        self._whole = _compile_union(text if text[0] == "^" else f".*{text}" for text in texts if not _is_of_base(text))
        self._has_exceptions = not all(include for _, include in patterns)

    @functools.cached_property
    def _spec(self) -> pathspec.GitIgnoreSpec:
        return _parse_spec(self._lines)

    def matches(self, prefix: str, base: str) -> bool:
        """Return whether ``prefix + base`` is left out; a folder's name ends with '/'. The folders above it must not be
        ignored."""
        found = self._base.match(base) or self._whole.match(prefix + base)
        if found and self._has_exceptions:
            return bool(self._spec.match_file(prefix + base))
        return bool(found)

    def has_exception_for(self, path: str) -> bool:
        """Return whether an exception (``!pattern``) names a path, so that the user wants it included."""
        return self._has_exceptions and self._spec.check_file(path).include is False


def _is_of_base(text: str) -> bool:
    """Return whether an expression of pathspec matches only the last part of a name."""
    within = re.sub(r"\[\^/\]|\(\?:/\|\$\)$|/$", "", text.removeprefix(ANYWHERE))
    return text.startswith(ANYWHERE) and "/" not in within


def _compile_union(expressions: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{text})" for text in expressions) or NEVER, re.DOTALL)


def _read_lines(root: Path) -> list[str]:
    own = next((root / name for name in IGNORE_FILES if (root / name).is_file()), None)
    return own.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if own else []


def _compile_expressions(lines: list[str]) -> list[tuple[str, bool]]:
    """Return the patterns as regular expressions, and whether each excludes or includes. They are cached for the user, because
    pathspec costs a first submission 15 ms."""

    def build() -> bytes:
        patterns = [(pattern.regex.pattern, pattern.include) for pattern in _parse_spec(lines).patterns if pattern.regex]
        return json.dumps(patterns).encode()

    installed = find_spec("pathspec")
    key = [lines, read_stamps([__file__, str(installed and installed.origin)])]
    return [(text, include) for text, include in json.loads(get_or_build("patterns", key, build))]


def _parse_spec(lines: list[str]) -> pathspec.GitIgnoreSpec:
    import pathspec  # noqa: PLC0415

    return pathspec.GitIgnoreSpec.from_lines([*map(_convert_pattern, filter(_is_pattern, lines)), *ALWAYS_IGNORED])


def _is_pattern(line: str) -> bool:
    """Return whether a line can match anything; gitignore(5) accepts lines that can't (``[z-a]``, a ``\\`` at the end)."""
    import pathspec  # noqa: PLC0415

    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def _convert_pattern(line: str) -> str:
    """Return ``a/**`` as ``a/**/*``: in gitignore(5) it matches what is inside the folder, in pathspec also the folder
    itself."""
    text = line.rstrip()
    return text + "/*" if text.endswith("/**") else text + "*/" if text.endswith("/**/") else line
