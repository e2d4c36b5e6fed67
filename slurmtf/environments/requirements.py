"""Read pip requirements and combine them, files line by line. Refuse what can't be part of a shared environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.collecting import Findings
from slurmtf.errors import SpecError
from slurmtf.findings import Finding
from slurmtf.paths import read_text

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.version import Version

_OPTION = re.compile(r"(--?[a-z][a-z-]*)(?:[= ]\s*|(?<=^-[a-z]))(.*)")
_OPTIONS_BEHIND = re.compile(r"\s--[a-z].*")
_LOCAL = re.compile(r"\.(\[|$)|~|file:|[^@:;\[ ]*/|\S+\.(whl|tar\.gz|zip)$")
EDITABLE = ("-e", "--editable")
CONSTRAINTS = ("-c", "--constraint")
INCLUDES = ("-r", "--requirement", *CONSTRAINTS)
REMEDY = (
    "an environment is kept and shared by runs: what may change can't be part of it. Leave it out (`source_directory` is on "
    "PYTHONPATH anyway), or build a wheel and put it on an index"
)


@dataclass(frozen=True)
class Line:
    """One line of requirements, and where it comes from."""

    text: str
    where: str
    constraint: bool = False
    """Whether it only constrains the version of what other lines require."""

    @property
    def package(self) -> str:
        """The package that it names, as pip compares names (PEP 503); empty for an option."""
        found = parse_requirement(self.text)
        return normalize_name(found.name) if found else ""


def parse_requirement(text: str) -> Requirement | None:
    """Return a line as a requirement (PEP 508), without the options after it (--hash=...); None if it is not one."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - only if packages are requested

    try:
        return Requirement(_OPTIONS_BEHIND.sub("", text))
    except InvalidRequirement:
        return None


def parse_pinned_version(text: str) -> Version | None:
    """Return the only version that a requirement accepts (``==2.15.1``); None if it accepts others, or names none."""
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    found = parse_requirement(text)
    specifiers = list(found.specifier) if found else []
    try:
        return Version(specifiers[0].version) if [one.operator for one in specifiers] == ["=="] else None
    except InvalidVersion:  # ==2.15.*
        return None


def normalize_name(name: str) -> str:
    """Return a package's name in the form in which names are compared (PEP 503, with '_' for '-')."""
    return re.sub(r"[-_.]+", "_", name).lower()


def gather_requirements(packages: Iterable[str], file: Path | None) -> list[Line]:
    """Return all requirements, each once: those given one by one, and those of a file and the files that it includes.

    Raises SpecError for files that can't be read, and for the user's own folders (``-e .``, ``./lib``).
    """
    findings = Findings()
    lines = [Line(text.strip(), f"pip_packages[{text!r}]") for text in packages]
    if file is not None:
        lines += _read_requirements(file, (), findings)
    findings.add(
        Finding("local-requirement", line.where, f"{line.text!r} is a folder or file of your own", REMEDY)
        for line in lines
        if _is_local(line)
    )
    findings.add(filter(None, map(_check_line, lines)))
    findings.raise_errors()
    return list({" ".join(line.text.split()): line for line in lines}.values())


def _check_line(line: Line) -> Finding | None:
    """Report a line that pip would refuse (PEP 508). Options and URLs are left to pip."""
    if line.text.startswith("-") or "://" in line.text or _is_local(line) or parse_requirement(line.text):
        return None
    equal = re.match(r"[\w.-]+=[^=]", line.text)
    remedy = "pip writes NAME==VERSION" if equal else "write NAME, NAME==VERSION, or another form that pip knows (PEP 508)"
    return Finding("bad-requirement", line.where, f"{line.text!r} is not a requirement", remedy)


def _read_requirements(path: Path, chain: tuple[Path, ...], findings: Findings, constraint: bool = False) -> Iterator[Line]:
    text = findings.attempt(_read, path, chain[-1].name if chain else path.name) or ""
    for number, line in _join_lines(text):
        option, value = _parse_option(line)
        included = path.parent / value
        if option not in INCLUDES:
            yield Line(line, f"{path.name}:{number}", constraint)
        elif included.resolve() not in chain:
            yield from _read_requirements(included, (*chain, path.resolve()), findings, constraint or option in CONSTRAINTS)


def _read(path: Path, where: str) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as err:
        what = f"{path} can't be read: {err}"
        raise SpecError(Finding("requirements-unreadable", where, what, "correct the path")) from None


def _join_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the logical lines with their numbers, without comments (pip's requirements file format)."""
    rest, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        first = first if rest else number
        if line.endswith("\\"):
            rest += line[:-1].rstrip() + " "
            continue
        if rest + line:
            yield first, (rest + line).strip()
        rest = ""
    if rest.strip():
        yield first, rest.strip()


def _parse_option(line: str) -> tuple[str, str]:
    found = _OPTION.fullmatch(line)
    return (found[1], found[2].strip()) if found else ("", "")


def _is_local(line: Line) -> bool:
    option, _ = _parse_option(line.text)
    return option in EDITABLE or bool(_LOCAL.match(line.text)) or bool(re.search(r"@\s*file:", line.text))
