"""Keep paths as the user spells them: home and project folders are often links, and nodes may know only one of the names."""

from __future__ import annotations

import contextlib
import errno
import os

from slurmtf.errors import InputError
from slurmtf.findings import Finding

LARGEST_TEXT = 32 << 20
"""The most bytes of a file that a person has written (a job file, requirements, a notebook) and that is read as a whole."""


def get_working_directory() -> str:
    """Return the working directory by its logical name ($PWD: pwd(1), -L). Raises InputError if it has been deleted."""
    try:
        physical = os.getcwd()  # noqa: PTH109 - to compare with $PWD
    except FileNotFoundError:
        raise InputError(
            Finding("no-working-directory", "", "the working directory has been deleted", "change to another one: cd")
        ) from None
    logical = os.environ.get("PWD", "")
    with contextlib.suppress(OSError):
        if os.path.isabs(logical) and os.path.samefile(logical, physical):  # noqa: PTH117, PTH121
            return os.path.normpath(logical)
    return physical


def to_absolute(path: str | os.PathLike[str]) -> str:
    """Return an absolute path with '~' expanded and all links kept. Raises InputError: see get_working_directory."""
    expanded = os.path.expanduser(path)  # noqa: PTH111
    return os.path.normpath(expanded if os.path.isabs(expanded) else os.path.join(get_working_directory(), expanded))  # noqa: PTH117, PTH118


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """Return the text of a file that a person has written. Raises OSError (also if it is too large for that) or ValueError."""
    with open(path, "rb") as file:
        data = file.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), os.fspath(path))
    return data.decode(encoding)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a file exists; False for names that no file system accepts, for which pathlib raises OSError."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | os.PathLike[str]) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: str | os.PathLike[str]) -> bool:
    return os.path.exists(path)  # noqa: PTH110
