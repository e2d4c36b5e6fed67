"""Limits of a snapshot: above Azure ML's limits there is a warning, above the user's it is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator

from slurmtf.errors import SnapshotError
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract import variables as var
from slurmtf.snapshot.entries import Contents
from slurmtf.snapshot.ignore import IGNORE_FILES

BIG_MB, BIG_FILES = 300, 2_000
"""Azure ML's limits, above which a plan warns."""
LIMIT_MB, LIMIT_FILES = var.SLURMTF_SNAPSHOT_MAX_MB, var.SLURMTF_SNAPSHOT_MAX_FILES
DEFAULT_MB, DEFAULT_FILES = 10 * BIG_MB, 10 * BIG_FILES
"""The limits above which a snapshot is refused, unless the variables set others."""


def get_walk_limit() -> int:
    """Return after how many files a walk may stop: the source is refused anyway, and a home folder can have millions."""
    return 5 * _read_limit(LIMIT_FILES, DEFAULT_FILES)


def check_limits(contents: Contents) -> None:
    """Raise SnapshotError if the contents exceed the limits."""
    files, megabytes = _read_limit(LIMIT_FILES, DEFAULT_FILES), _read_limit(LIMIT_MB, DEFAULT_MB)
    findings = []
    if contents.bytes > megabytes * 10**6:
        what = f"holds {_format_megabytes(contents)} MB; a snapshot takes at most {megabytes:,} MB"
        findings.append(Finding("snapshot-too-big", str(contents.root), what, _format_advice(contents, LIMIT_MB, by_size=True)))
    if contents.files > files:
        count = f"{contents.files:,}" if contents.files <= get_walk_limit() else f"more than {get_walk_limit():,}"
        what = f"holds {count} files; a snapshot takes at most {files:,}"
        findings.append(
            Finding("snapshot-too-many-files", str(contents.root), what, _format_advice(contents, LIMIT_FILES, by_size=False))
        )
    if findings:
        raise SnapshotError(*findings)


def check_contents(contents: Contents) -> Iterator[Finding]:
    """Yield warnings about what the snapshot holds and lacks."""
    yield from check_size(contents)
    yield from check_left_out(contents)


def check_size(contents: Contents) -> Iterator[Finding]:
    """Yield warnings about the size, because every run unpacks a copy of its source."""
    if contents.bytes > BIG_MB * 10**6:
        yield build_warning("big-snapshot", _format_size(contents, f"{_format_megabytes(contents)} MB", by_size=True))
    if contents.files > BIG_FILES:
        yield build_warning("big-snapshot", _format_size(contents, f"{contents.files:,} files", by_size=False))


def check_left_out(contents: Contents) -> Iterator[Finding]:
    """Yield warnings about what a user may miss in the run's copy of the source."""
    if contents.secrets:
        more = f" (and {len(contents.secrets) - 5} more)" if contents.secrets[5:] else ""
        what = f"left out of the snapshot, since they may hold secrets: {', '.join(contents.secrets[:5])}{more}"
        yield build_warning(
            "secrets-left-out", f"{what}. If the script needs one, write !{contents.secrets[0]} into {IGNORE_FILES[0]}"
        )
    for name in contents.results:
        yield build_warning(
            "own-results", f"the source's own {name} is not in the snapshot: a run has its own. Move what the script reads"
        )


def _read_limit(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    if text and not text.isdigit():
        raise SnapshotError(
            Finding("not-a-count", f"${variable}", f"{text!r} is not a whole number", "set it to a number, or unset it")
        )
    return int(text) if text else default


def _format_megabytes(contents: Contents) -> str:
    return f"{contents.bytes / 10**6:,.0f}"


def _format_size(contents: Contents, amount: str, by_size: bool) -> str:
    biggest = _format_biggest(contents, by_size)
    return f"each run unpacks the source's {amount}; the biggest: {biggest}. Name data and results in {IGNORE_FILES[0]}"


def _format_advice(contents: Contents, variable: str, by_size: bool) -> str:
    biggest = _format_biggest(contents, by_size)
    return f"the biggest: {biggest}. Name data and results in {IGNORE_FILES[0]}, or raise ${variable}"


def _format_biggest(contents: Contents, by_size: bool) -> str:
    """Name the biggest entries of the source's first two levels."""
    weights: dict[str, int] = {}
    for entry in contents.entries:
        parts = entry.name.split("/")
        depth = 2 if by_size else max(1, min(2, len(parts) - 1))  # many small files are named by their folder
        top = "/".join(parts[:depth])
        weights[top] = weights.get(top, 0) + (entry.size if by_size else int(entry.kind != "folder"))
    biggest = sorted(filter(weights.get, weights), key=lambda name: -weights[name])[:5]
    return ", ".join(
        f"{name} ({weights[name] / 10**6:,.1f} MB)" if by_size else f"{name} ({weights[name]:,} files)" for name in biggest
    )
