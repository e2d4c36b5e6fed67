"""Walk through the source directory to find what belongs to a snapshot."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from slurmtf.errors import SnapshotError
from slurmtf.findings import Finding
from slurmtf.snapshot.entries import WITHHELD, Contents, Entry, compute_stamp, describe_unreadable
from slurmtf.snapshot.ignore import Ignore
from slurmtf.snapshot.limits import check_limits, get_walk_limit
from slurmtf.snapshot.secrets import is_secret

RESULTS = ("outputs", "logs")
GONE = "gone when it was read"


def collect(root: Path, outside: Sequence[Path] = ()) -> Contents:
    """Return what belongs to a snapshot of ``root``; nothing below the folders ``outside`` does (the workspace).

    It leaves out: names in ``.slurmtfignore`` (else ``.amlignore``, else ``.gitignore``: gitignore(5) syntax), ``outputs`` and
    ``logs`` (the run has its own), version control, caches, virtual environments, names that suggest a secret
    (:mod:`slurmtf.snapshot.secrets`), sockets, pipes and devices, and files that disappear before they are read. Raises
    SnapshotError if ``root`` can't be read, or exceeds the limits (see :mod:`slurmtf.snapshot.limits`). Folders below it that
    can't be read are reported later, together with unreadable files.
    """
    walker = _Walker(root, outside)
    if walker.is_outside(root):
        remedy = "use another workspace (--workspace, $SLURMTF_WORKSPACE)"
        raise SnapshotError(
            Finding("source-is-workspace", str(root), "is also the workspace: a snapshot would hold all earlier runs", remedy)
        )
    began = time.time_ns()
    try:
        entries = sorted(walker.walk(get_walk_limit()))
    except OSError as err:
        raise SnapshotError(*describe_unreadable([(str(err.filename or root), str(err.strerror))])) from None
    left_out, secrets = tuple(walker.left_out), tuple(walker.secrets)
    contents = Contents(root, tuple(entries), left_out, began, secrets, find_results(root), tuple(walker.unreadable))
    check_limits(contents)
    return contents


def find_results(root: Path) -> tuple[str, ...]:
    """Return which of ``outputs`` and ``logs`` exist in the source and are not empty; no snapshot includes them."""
    found = [name for name in RESULTS if (root / name).is_dir() and os.access(root / name, os.R_OK)]
    return tuple(f"{name}/" for name in found if any((root / name).iterdir()))


class _Walker:
    def __init__(self, root: Path, outside: Sequence[Path]) -> None:
        self.left_out: list[str] = []
        self.secrets: list[str] = []
        self.unreadable: list[tuple[str, str]] = []
        self._top = str(root)
        self._root = root.resolve()
        self._ignore = Ignore(root)
        self._outside = {_identify(path) for path in outside if path.exists()}

    def is_outside(self, folder: str | Path) -> bool:
        return bool(self._outside) and os.path.exists(folder) and _identify(folder) in self._outside  # noqa: PTH110

    def walk(self, most_files: int) -> Iterator[Entry]:
        """Yield what belongs to the snapshot; stop after ``most_files`` files."""
        waiting, files = [(self._top, "")], 0
        while waiting and files <= most_files:
            folder, prefix = waiting.pop()
            items = self._list_folder(folder, prefix)
            if items is None:
                continue
            if prefix:
                yield Entry(prefix[:-1], folder, "folder", 0o700)
            kept = [item for item in items if self._is_kept(item, prefix)]
            waiting += [(item.path, f"{prefix}{item.name}/") for item in kept if item.is_dir(follow_symlinks=False)]
            for item in kept:
                found = None if item.is_dir(follow_symlinks=False) else self._read_entry(item, prefix + item.name)
                if found:
                    yield found
                    files += 1

    def _is_kept(self, item: os.DirEntry[str], prefix: str) -> bool:
        name = _add_slash(item)
        if self._ignore.matches(prefix, name):
            return False
        if is_secret(prefix, name) and not self._ignore.has_exception_for(prefix + name):
            self.left_out.append(f"{prefix}{name} ({WITHHELD})")
            self.secrets.append(prefix + name)
            return False
        return True

    def _list_folder(self, folder: str, prefix: str) -> list[os.DirEntry[str]] | None:
        """Return what is in a folder; None if it does not belong to the snapshot."""
        if prefix and self.is_outside(folder):
            return None
        try:
            with os.scandir(folder) as found:
                items = list(found)
        except FileNotFoundError:
            if not prefix:
                raise
            self.left_out.append(f"{prefix} ({GONE})")
            return None
        except OSError as err:
            if not prefix:
                raise
            self.unreadable.append((folder, str(err.strerror)))
            return None
        if prefix and any(item.name == "pyvenv.cfg" for item in items):
            self.left_out.append(f"{prefix} (a virtual environment)")
            return None
        return items

    def _read_entry(self, item: os.DirEntry[str], name: str) -> Entry | None:
        """Return a file or a link; None for anything else, or if it has been removed."""
        try:
            status = item.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                return _build_file_entry(item.path, name, status)
            if stat.S_ISLNK(status.st_mode):
                return Entry(name, item.path, "link", 0o777, link=self._relocate_link(Path(item.path)))
            self.left_out.append(f"{name} (neither a file, a folder nor a link)")
        except FileNotFoundError:
            self.left_out.append(f"{name} ({GONE})")
        except OSError as err:
            self.unreadable.append((item.path, str(err.strerror)))
        return None

    def _relocate_link(self, link: Path) -> str:
        """Return where a link in the copy points. A link out of the source is made absolute, because the copy is elsewhere."""
        target = link.readlink()
        real = Path(os.path.normpath(link.parent.resolve() / target))
        return str(target if not target.is_absolute() and real.is_relative_to(self._root) else real)


def _build_file_entry(path: str, name: str, status: os.stat_result) -> Entry:
    mode = 0o700 if status.st_mode & 0o100 else 0o600
    return Entry(name, path, "file", mode, status.st_size, stamp=compute_stamp(status))


def _add_slash(item: os.DirEntry[str]) -> str:
    return item.name + "/" if item.is_dir(follow_symlinks=False) else item.name


def _identify(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - called 20,000 times
    return status.st_dev, status.st_ino
