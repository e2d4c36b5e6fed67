"""Our programs for other machines, each one file: that of the job (supervisor, tasks, environment builder), which any
Python 3.6 runs, and that of the tool environments (conversion, scoring)."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

from slurmtf.caches import kept, stamps

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "job"
PACKAGE = "slurmtf_job"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
FASTEST = 1
"""zlib's level: a first submission waits for it; the file is a tenth larger than with the usual one."""


HOOK = SOURCES / "script" / "sitecustomize.py"
"""What a run's Python runs before the script: copied into the run folder."""


@functools.cache
def job_archive() -> bytes:
    """Return the program of the job as a zip archive, the same bytes for the same program."""
    return _archive(SOURCES, PACKAGE, f"from {PACKAGE}.main import guarded_main\n\nguarded_main()\n")


@functools.cache
def tool_archive() -> bytes:
    """Return the program of the tool environments as a zip archive."""
    return _archive(
        HERE / "models/tool", "slurmtf_tool", "import sys\nfrom slurmtf_tool.main import main\n\nsys.exit(main())\n"
    )


def _archive(folder: Path, package: str, entry: str) -> bytes:
    paths = sorted(folder.rglob("*.py"))
    key = [package, entry, str(folder), [str(path) for path in paths], stamps([*paths, __file__])]
    return kept("programs", key, lambda: _zipped(folder, paths, package, entry))


def _zipped(folder: Path, paths: list[Path], package: str, entry: str) -> bytes:
    sources = {f"{package}/{path.relative_to(folder).as_posix()}": path.read_text(encoding="utf-8") for path in paths}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, text in {"__main__.py": entry, **sources}.items():
            zipped.writestr(zipfile.ZipInfo(path, LONG_AGO), text, zipfile.ZIP_DEFLATED, FASTEST)
    return buffer.getvalue()
