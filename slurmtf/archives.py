"""Pack our programs for other machines into one file each: the job's (supervisor, tasks, environment builder), which runs on
any Python from 3.6 on, and that of the tool environments (conversion, scoring)."""

from __future__ import annotations

import functools
import io
import marshal
import zipfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from slurmtf.caches import get_or_build, read_stamps
from slurmtf.job.contract import loader

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "job"
PACKAGE = "slurmtf_job"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
LOADER = "slurmtf_loader"
"""The module of each archive that loads the others."""
ENTRY = """\
import sys
from {loader} import install

install(sys.path.pop(0), {package!r})

from {package}.main import {function}

sys.exit({function}())
"""
ANY_PYTHON = 2
"""A format of marshal that all Pythons read."""


HOOK = SOURCES / "script" / "sitecustomize.py"
"""The code that a run's Python runs before the script, copied into the run folder."""


@functools.cache
def build_job_archive() -> bytes:
    """Return the job's program as a zip archive. The same program gives the same bytes."""
    return _load_or_build_archive(SOURCES, PACKAGE, "run_guarded")


@functools.cache
def build_tool_archive() -> bytes:
    """Return the program of the tool environments as a zip archive."""
    return _load_or_build_archive(HERE / "models/tool", "slurmtf_tool", "main")


def _load_or_build_archive(folder: Path, package: str, function: str) -> bytes:
    paths = sorted(folder.rglob("*.py"))
    key = [
        package,
        function,
        str(folder),
        [str(path) for path in paths],
        read_stamps([*paths, __file__, loader.__file__]),
        MAGIC_NUMBER.hex(),
    ]
    return get_or_build("programs", key, lambda: _build_archive(folder, paths, package, function))


def _build_archive(folder: Path, paths: list[Path], package: str, function: str) -> bytes:
    """Return a zip whose ``__main__`` calls this function of the package's ``main``; see :mod:`slurmtf.job.contract.loader`."""
    entry = ENTRY.format(loader=LOADER, package=package, function=function)
    sources = {f"{package}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}
    code = {member: marshal.dumps(compile(text, member, "exec", dont_inherit=True)) for member, text in sources.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        _add(zipped, "__main__.py", entry.encode())
        _add(zipped, f"{LOADER}.py", Path(loader.__file__).read_bytes())
        _add(zipped, loader.SOURCES, marshal.dumps(sources, ANY_PYTHON))
        _add(zipped, loader.name_compiled(MAGIC_NUMBER), marshal.dumps(code, ANY_PYTHON))
    return buffer.getvalue()


def _add(zipped: zipfile.ZipFile, name: str, content: bytes) -> None:
    zipped.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
