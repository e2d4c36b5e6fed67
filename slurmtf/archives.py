"""Pack our programs for other machines into one file each: the job's (supervisor, tasks, environment builder), which runs on
any Python from 3.6 on, and that of the tool environments (conversion, scoring)."""

from __future__ import annotations

import functools
import io
import marshal
import zipfile
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

from slurmtf.caches import get_or_build, read_stamps

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "job"
PACKAGE = "slurmtf_job"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
SOURCE_ALONE = ("build", "script")
"""Rooms that a job or a task does not import when it starts. The others are included in compiled form too, for the version of
the Python that submits, mostly also the job's. Other versions compile the sources each time (zipimport compares magic
numbers)."""
UNCHECKED = (1).to_bytes(4, "little")
"""The flags of a compiled file that is not compared with its source (PEP 552)."""


HOOK = SOURCES / "script" / "sitecustomize.py"
"""The code that a run's Python runs before the script, copied into the run folder."""


@functools.cache
def build_job_archive() -> bytes:
    """Return the job's program as a zip archive. The same program gives the same bytes."""
    return _load_or_build_archive(SOURCES, PACKAGE, f"from {PACKAGE}.main import run_guarded\n\nrun_guarded()\n")


@functools.cache
def build_tool_archive() -> bytes:
    """Return the program of the tool environments as a zip archive."""
    return _load_or_build_archive(
        HERE / "models/tool", "slurmtf_tool", "import sys\nfrom slurmtf_tool.main import main\n\nsys.exit(main())\n"
    )


def _load_or_build_archive(folder: Path, package: str, entry: str) -> bytes:
    paths = sorted(folder.rglob("*.py"))
    key = [package, entry, str(folder), [str(path) for path in paths], read_stamps([*paths, __file__]), MAGIC_NUMBER.hex()]
    return get_or_build("programs", key, lambda: _build_archive(folder, paths, package, entry))


def _build_archive(folder: Path, paths: list[Path], package: str, entry: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        _add(zipped, "__main__.py", entry.encode())
        for path in paths:
            name, text = path.relative_to(folder), path.read_bytes()
            _add(zipped, f"{package}/{name.as_posix()}", text)
            if name.parts[0] not in SOURCE_ALONE:
                _add(zipped, f"{package}/{name.as_posix()}c", _compile(f"{package}/{name.as_posix()}", text))
    return buffer.getvalue()


def _add(zipped: zipfile.ZipFile, name: str, content: bytes) -> None:
    zipped.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)


def _compile(name: str, text: bytes) -> bytes:
    return MAGIC_NUMBER + UNCHECKED + source_hash(text) + marshal.dumps(compile(text, name, "exec", dont_inherit=True))
