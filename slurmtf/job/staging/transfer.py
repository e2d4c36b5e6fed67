"""Copy data to the node's own disk, and results back from it, with progress in a log."""

import contextlib
import filecmp
import os
import stat
import sys
import time
from typing import Dict, Iterator, List, NamedTuple, Tuple

from ..contract.system.private import make_private

PIECE = 1 << 22
PROGRESS_S = 5.0
PARTIAL = ".slurmtf-partial-"


class Progress:
    """The progress of a copy, reported every few seconds."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._began = time.monotonic()
        self._next = self._began + PROGRESS_S
        self.bytes = 0
        self.files = 0

    def add(self, count: int) -> None:
        self.bytes += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_S
            share = ", {:.0f} %".format(100.0 * self.bytes / self._total) if self._total else ""
            rate = format_size(self.bytes / (now - self._began))
            log("{}: {} of {}{}, {}/s".format(self._what, format_size(self.bytes), format_size(self._total), share, rate))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def to_dict(self) -> Dict[str, float]:
        return {"files": self.files, "bytes": self.bytes, "seconds": round(self.seconds, 3)}


def log(text: str) -> None:
    sys.stderr.write("slurmtf: {}\n".format(text))
    sys.stderr.flush()


def format_size(count: float) -> str:
    """Format a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return "{:.{}f} {}".format(count, 0 if unit == "B" else 1, unit)
        count /= 1000
    return "{:.1f} TB".format(count)


class Item(NamedTuple):
    """A folder or a file of a tree, with its path in the tree, which begins with a slash unless it is the root."""

    place: str
    folder: bool
    size: int


def list_tree(root: str) -> List[Item]:
    """List a tree, folders before their content. Links are followed; a dangling one is an error. Raises OSError for what can't
    be read."""
    return list(_walk_tree(root, "", ()))


def _walk_tree(root: str, place: str, above: Tuple[Tuple[int, int], ...]) -> Iterator[Item]:
    found = os.stat(root + place)
    if stat.S_ISREG(found.st_mode):
        yield Item(place, False, found.st_size)
    elif stat.S_ISDIR(found.st_mode):
        own = (found.st_dev, found.st_ino)
        if own in above:
            raise OSError("{} is a link to a folder that it lies in".format(root + place))
        yield Item(place, True, 0)
        for name in sorted(os.listdir(root + place)):
            for item in _walk_tree(root, "{}/{}".format(place, name), (*above, own)):
                yield item


def compute_size(folder: str) -> int:
    """Return the size of the files in a folder of ours, in bytes."""
    return sum(os.lstat(os.path.join(place, name)).st_size for place, _, files in os.walk(folder) for name in files)


def copy_in(root: str, items: List[Item], target: str, progress: Progress) -> None:
    """Copy a tree. Raises OSError."""
    for item in items:
        if item.folder:
            make_private(target + item.place)
        else:
            _copy_file(root + item.place, target + item.place, progress)


def _copy_file(source: str, target: str, progress: Progress) -> None:
    with open(source, "rb", buffering=0) as reader:
        mode = 0o600 | stat.S_IMODE(os.fstat(reader.fileno()).st_mode) & 0o100
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb", buffering=0) as writer:
            piece = reader.read(PIECE)
            while piece:
                rest = memoryview(piece)
                while rest:
                    rest = rest[writer.write(rest) :]
                progress.add(len(piece))
                piece = reader.read(PIECE)
    progress.files += 1


class CopiedBack:
    """The result of copying results back: the files put beside existing ones, and those that could not be copied."""

    def __init__(self) -> None:
        self.beside: List[str] = []
        self.failed: List[str] = []


def copy_back(source: str, target: str, suffix: str, progress: Progress) -> CopiedBack:
    """Copy the content of a folder into another one. Each file appears whole.

    An existing file with different content is kept: ours goes beside it, under its name with ``suffix``.
    """
    copied = CopiedBack()
    for folder, folders, files in os.walk(source):
        inside = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        try:
            os.makedirs(inside, exist_ok=True)
        except OSError as err:
            copied.failed.append("{}: {}".format(inside, err.strerror))
            folders[:] = []
            continue
        for name in sorted(files + linked):
            try:
                if _copy_file_back(os.path.join(folder, name), os.path.join(inside, name), suffix, progress):
                    copied.beside.append(os.path.join(inside, name) + suffix)
            except OSError as err:
                copied.failed.append("{}: {}".format(os.path.join(inside, name), err.strerror or err))
    return copied


def _copy_file_back(source: str, target: str, suffix: str, progress: Progress) -> bool:
    """Copy one file; return whether it had to go beside an existing one."""
    partial = os.path.join(os.path.dirname(target), PARTIAL + os.urandom(6).hex())
    try:
        if os.path.islink(source):
            os.symlink(os.readlink(source), partial)
        elif os.path.isfile(source):
            _copy_file(source, partial, progress)
        else:
            raise OSError("is neither a file nor a folder")
        if _rename_if_absent(partial, target):
            return False
        os.replace(partial, target + suffix)
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


def _rename_if_absent(partial: str, target: str) -> bool:
    """Rename a file, unless another file has that name. Returns whether the content under that name is now ours."""
    try:
        os.link(partial, target, follow_symlinks=False)
    except FileExistsError:
        return _is_same_content(partial, target)
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            return _is_same_content(partial, target)
        os.rename(partial, target)
    return True


def _is_same_content(one: str, other: str) -> bool:
    if os.path.islink(one) or os.path.islink(other):
        return os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
    return os.path.isfile(other) and filecmp.cmp(one, other, shallow=False)
