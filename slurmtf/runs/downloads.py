"""Copy a run's files."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from slurmtf.errors import SlurmtfError
from slurmtf.files import convert_write_errors
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout

OTHER_FOLDER = "another folder"


def list_file_names(layout: RunLayout) -> list[str]:
    """Return the names of all files of a run: logs, outputs, and the files that describe it."""
    return sorted(_walk_file_names(layout))


def download(layout: RunLayout, name: str, target: Path) -> Path:
    """Copy one file of a run.

    Raises SlurmtfError if there is no such file or it can't be read, WorkspaceError if ``target`` can't be written.
    """
    try:
        source = _open(layout, name)
    except OSError as err:
        raise SlurmtfError(_describe_uncopied(name, err)) from None
    with source, convert_write_errors(target.parent, OTHER_FOLDER):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target


def download_all(layout: RunLayout, prefix: str, folder: Path) -> list[Path]:
    """Copy all files of a run whose names begin with ``prefix``.

    After copying the others, raises a SlurmtfError that names those that can't be copied: pipes, devices, links out of the run
    and unreadable files.
    """
    copied, failed = [], list(_check_links(layout, prefix))
    for name in (name for name in list_file_names(layout) if name.startswith(prefix)):
        try:
            copied.append(download(layout, name, folder / name))
        except SlurmtfError as err:
            if any(finding.code != "not-copied" for finding in err.findings):
                raise
            failed += err.findings
    if failed:
        raise SlurmtfError(*failed)
    return copied


def _walk_file_names(layout: RunLayout) -> Iterator[str]:
    root, skipped = Path(layout.folder), {Path(layout.work), Path(layout.submitit)}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if Path(folder, name) not in skipped)
        yield from (str(Path(folder, name).relative_to(root)) for name in files if not name.startswith("."))


def _check_links(layout: RunLayout, prefix: str) -> Iterator[Finding]:
    """Yield a finding for each link to a folder outside the run. The files in a folder inside the run have their own names."""
    root = Path(layout.folder)
    for folder, folders, _ in os.walk(root):
        for link in (path for path in (Path(folder, name) for name in folders) if path.is_symlink()):
            name, target = str(link.relative_to(root)), os.path.realpath(link)
            if name.startswith(prefix) and not _is_inside(layout, target):
                yield Finding("not-copied", name, f"is a link that leads out of the run, to {target}")


def _is_inside(layout: RunLayout, path: str) -> bool:
    root = os.path.realpath(layout.folder)
    return os.path.commonpath([root, path]) == root


def _open(layout: RunLayout, name: str) -> BinaryIO:
    """Open a regular file of a run. Raises OSError for anything else: opening a pipe would wait for a writer."""
    path = os.path.realpath(Path(layout.folder, name))
    if not _is_inside(layout, path):
        raise OSError(0, "is outside the run")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(0, "is not a regular file, but a folder, pipe or device")
    return file


def _describe_uncopied(name: str, error: OSError) -> Finding:
    if isinstance(error, FileNotFoundError):
        return Finding("not-copied", name, "is not a file of the run", "get_file_names() lists them")
    return Finding("not-copied", name, f"can't be copied: {error.strerror or error}")
