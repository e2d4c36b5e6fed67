"""Our program for other machines (the supervisor, the tasks, the environment builder): one file that any Python 3.6 runs."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "job"
PACKAGE = "slurmtf_job"
ENTRY = f"from {PACKAGE}.main import guarded_main\n\nguarded_main()\n"
LONG_AGO = (1980, 1, 1, 0, 0, 0)


HOOK = SOURCES / "script" / "sitecustomize.py"
"""What a run's Python runs before the script: copied into the run folder."""


@functools.cache
def job_archive() -> bytes:
    """Return the program as a zip archive, the same bytes for the same program."""
    sources = {
        f"{PACKAGE}/{path.relative_to(SOURCES).as_posix()}": path.read_text(encoding="utf-8")
        for path in sorted(SOURCES.rglob("*.py"))
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, text in {"__main__.py": ENTRY, **sources}.items():
            zipped.writestr(zipfile.ZipInfo(path, LONG_AGO), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
