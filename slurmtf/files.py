"""Write files that appear whole or not at all, private to their user."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slurmtf.errors import WorkspaceError
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.system import private
from slurmtf.paths import to_absolute

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
ANOTHER_WORKSPACE = "another workspace (--workspace, $SLURMTF_WORKSPACE)"
REMEDIES = {
    errno.ENOSPC: "free some space, or use {}",
    errno.EDQUOT: "your quota is used up: free some space, or use {}",
    errno.EROFS: "the file system is read-only: use {}",
}


def write_private(path: str | Path, data: str | bytes) -> None:
    """Write a file under a temporary name in the same folder, then rename it. Raises OSError."""
    private.write_private(os.fspath(path), data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)


def write_json(path: str | Path, data: object) -> None:
    write_private(path, json.dumps(data, indent=1) + "\n")


def read_json(path: str | Path) -> JsonObject:
    """Return the JSON object in a file; an empty one if there is no such file. Raises OSError or ValueError."""
    try:
        return load_json(path)
    except FileNotFoundError:
        return {}


def load_json(path: str | Path) -> JsonObject:
    """Return the JSON object in a file. Raises OSError or ValueError."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found


def make_private(folder: str | Path) -> Path:
    """Create a folder that only its user can enter, and missing folders above it. Raises OSError."""
    private.make_private(os.fspath(folder))
    return Path(folder)


def restrict_access(folder: str | Path) -> None:
    """Make files private that other programs have written into one of our folders."""
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False):
            Path(entry.path).chmod(entry.stat().st_mode & PRIVATE_FOLDER)


@contextmanager
def convert_write_errors(folder: str | Path, instead: str = ANOTHER_WORKSPACE) -> Iterator[None]:
    """Raise OSErrors as WorkspaceErrors with a remedy; ``instead`` is what the user can set instead."""
    try:
        yield
    except OSError as err:
        remedy = REMEDIES.get(err.errno or 0, "use {}").format(instead)
        what = f"can't be written: {err.strerror or err}"
        raise WorkspaceError(Finding("unwritable", str(err.filename or folder), what, remedy)) from None


def compute_age(path: Path) -> float:
    """Return the seconds since a file was written or a folder changed; 0 if it does not exist."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def get_config_folder() -> Path:
    """Return the user's configuration folder of slurmtf (XDG base directory specification)."""
    return Path(os.environ.get(var.XDG_CONFIG_HOME) or Path.home() / ".config") / "slurmtf"


def expand(text: str, what: str) -> Path:
    """Return a path from a profile with '~' and '$NAME' expanded. Raises WorkspaceError if a variable in it is unset."""
    path = os.path.expandvars(Path(text).expanduser())
    unset = re.search(r"\$\{?(\w+)", path)
    if unset:
        raise WorkspaceError(
            Finding("variable-unset", f"{what} {text}", f"${unset[1]} is not set", "set it, or name another folder")
        )
    return Path(to_absolute(path))
