"""Tags, names with values by which users find runs again: the user's are in the receipt, the script's in tags/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from slurmtf.errors import SpecError
from slurmtf.files import read_json
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import TAG
from slurmtf.runs.metrics.files import LoggedFile


def read_tags(folder: str | Path) -> dict[str, str]:
    """Return the tags of a run; its script's take precedence. If the receipt can't be read, returns only the script's."""
    layout = RunLayout(str(folder))
    try:
        found = read_json(layout.receipt).get("tags")
    except (OSError, ValueError, AttributeError, RecursionError):
        found = None
    given = {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
    return {**given, **_read_script_tags(layout)}


def _read_script_tags(layout: RunLayout) -> dict[str, str]:
    try:
        paths = list(Path(layout.tags).iterdir())
    except OSError:
        return {}
    logged = [entry for path in paths for entry in LoggedFile(path).read_new_entries() if entry.kind == TAG]
    return {entry.name: entry.value for entry in sorted(logged, key=lambda entry: entry.time)}


def normalize(tags: Mapping[str, object] | None, setting: str = "tags") -> dict[str, str]:
    """Return tags, or other settings written like them, as strings; None becomes an empty value.

    Raises SpecError if a name or value is invalid.
    """
    found = {name: "" if value is None else str(value) for name, value in (tags or {}).items()}
    wrong = [(name, value) for name, value in found.items() if not name or "=" in name or not (name + value).isprintable()]
    if wrong:
        what, remedy = "{!r}: {!r} is not a valid name and value", "names must have no '=', and both must be printable"
        raise SpecError(*(Finding("bad-tag", setting, what.format(*pair), remedy) for pair in wrong))
    return found


def parse(texts: Iterable[str]) -> dict[str, str | None]:
    """Parse ``NAME`` and ``NAME=VALUE`` into tags; ``NAME`` alone has the value None."""
    parts = [text.partition("=") for text in texts]
    return {name: value if equals else None for name, equals, value in parts}


def has_wanted_tags(own: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    """Return whether a run's own tags include the wanted ones; None stands for any value."""
    return all(name in own and value in (None, own[name]) for name, value in wanted.items())
