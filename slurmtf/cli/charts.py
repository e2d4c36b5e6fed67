"""Save charts to files, in the format of the file name's suffix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slurmtf.errors import InputError
from slurmtf.files import convert_write_errors, write_private
from slurmtf.findings import Finding
from slurmtf.plots import Chart

FORMATS = (".svg", ".png", ".html")


def check_format(path: Path) -> None:
    """Raise InputError for a file name whose suffix is no chart format."""
    if path.suffix not in FORMATS:
        raise InputError(Finding("bad-format", str(path), f"does not end in {' or '.join(FORMATS)}", "use such a name"))


def save(path: Path, title: str, charts: Sequence[Chart]) -> None:
    """Write charts to one file. Raises InputError, WorkspaceError."""
    check_format(path)
    with convert_write_errors(path, "another file"):
        write_private(path, _render(path, title, list(charts)))


def _render(path: Path, title: str, charts: list[Chart]) -> str | bytes:
    from slurmtf.plots.html import to_html  # noqa: PLC0415
    from slurmtf.plots.png import to_png  # noqa: PLC0415
    from slurmtf.plots.svg import stack  # noqa: PLC0415

    if path.suffix == ".html":
        return to_html(title, charts)
    return to_png(charts) if path.suffix == ".png" else stack(charts)
