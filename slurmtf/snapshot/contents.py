"""What belongs to a snapshot: ignore rules, links, limits."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.errors import Problem, SnapshotError

if TYPE_CHECKING:
    import pathspec

IGNORE_FILES = (".slurmtfignore", ".amlignore", ".gitignore")
"""The first of these that the source directory has is used, alone."""
ALWAYS_IGNORED = (
    ".git",
    "__pycache__/",
    ".ipynb_checkpoints/",
    "/outputs",
    "/logs",
    "/.slurmtf/",
    "/.azureml/",
    "/azureml-logs/",
)
LIMIT_BYTES = "SLURMTF_SNAPSHOT_MAX_MB"
LIMIT_FILES = "SLURMTF_SNAPSHOT_MAX_FILES"
DEFAULT_MB, DEFAULT_FILES = 300, 2000


@dataclass(frozen=True)
class Entry:
    """A file, a link (``link`` is where it points) or a folder of the source."""

    name: str
    path: str
    kind: str
    mode: int
    size: int
    link: str = ""


@dataclass(frozen=True)
class SnapshotRef:
    """The source as it was at submission: its content's hash, and how much it is."""

    id: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Contents:
    """The entries of a snapshot, sorted by name, and what was left out and why."""

    root: Path
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        return sum(entry.kind != "folder" for entry in self.entries)

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries)

    def check_holds(self, script: str) -> None:
        """Raise SnapshotError unless the entry script belongs to the snapshot, or lies behind a link that does."""
        kinds = {entry.name: entry.kind for entry in self.entries}
        behind_link = any(kinds.get(str(folder)) == "link" for folder in Path(script).parents)
        if script not in kinds and not behind_link:
            remedy = f"take the pattern that matches it out of {' or '.join(IGNORE_FILES)}, or move it out of outputs and logs"
            raise SnapshotError(Problem("entry_script", f"{script} is left out of the snapshot", remedy))


def collect(root: Path, outside: Sequence[Path] = ()) -> Contents:
    """Return what of ``root`` belongs to a snapshot. Nothing below the folders ``outside`` does (the workspace).

    Left out are: what ``.slurmtfignore`` names (else ``.amlignore``, else ``.gitignore``: gitignore(5) syntax), ``outputs``
    and ``logs`` (the run has its own), version control, caches, virtual environments, sockets, pipes and devices.

    Raises SnapshotError when something can't be read, or is more than the limits (300 MB and 2,000 files unless
    ``$SLURMTF_SNAPSHOT_MAX_MB`` and ``$SLURMTF_SNAPSHOT_MAX_FILES`` say otherwise); it names the biggest entries.
    """
    left_out: list[str] = []
    foreign = [path.resolve() for path in outside]
    if root.resolve() in foreign:
        remedy = "give another workspace (--workspace, $SLURMTF_WORKSPACE)"
        raise SnapshotError(Problem(str(root), "is the workspace too: a snapshot would hold all earlier runs", remedy))
    walker = _Walker(root, _spec(root), foreign, left_out)
    try:
        entries = sorted(walker.walk(str(root), ""), key=lambda entry: entry.name)
    except OSError as err:
        where = str(err.filename or root)
        raise SnapshotError(Problem(where, f"can't be read: {err.strerror}", f"name it in {IGNORE_FILES[0]}")) from None
    contents = Contents(root, tuple(entries), tuple(left_out))
    _check_limits(contents)
    return contents


def _spec(root: Path) -> pathspec.GitIgnoreSpec:
    import pathspec  # noqa: PLC0415

    own = next((root / name for name in IGNORE_FILES if (root / name).is_file()), None)
    lines = own.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if own else []
    return pathspec.GitIgnoreSpec.from_lines([*filter(_is_pattern, lines), *ALWAYS_IGNORED])


def _is_pattern(line: str) -> bool:
    """Tell whether a line can match anything; gitignore(5) keeps one that can't (``[z-a]``, a ``\\`` at its end)."""
    import pathspec  # noqa: PLC0415

    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


class _Walker:
    def __init__(self, root: Path, spec: pathspec.GitIgnoreSpec, outside: list[Path], left_out: list[str]) -> None:
        self._root = root.resolve()
        self._spec = spec
        self._outside = outside
        self._left_out = left_out

    def walk(self, folder: str, prefix: str) -> Iterator[Entry]:
        with os.scandir(folder) as found:
            for item in found:
                yield from self._entries(item, prefix + item.name)

    def _entries(self, item: os.DirEntry[str], name: str) -> Iterator[Entry]:
        status = item.stat(follow_symlinks=False)
        is_folder = stat.S_ISDIR(status.st_mode)
        if self._spec.match_file(name + "/" if is_folder else name):
            return
        if is_folder:
            if self._is_foreign(item.path, name):
                return
            yield Entry(name, item.path, "folder", 0o700, 0)
            yield from self.walk(item.path, name + "/")
        elif stat.S_ISLNK(status.st_mode):
            yield Entry(name, item.path, "link", 0o777, 0, self._target(item.path))
        elif stat.S_ISREG(status.st_mode):
            yield Entry(name, item.path, "file", 0o700 if status.st_mode & 0o100 else 0o600, status.st_size)
        else:
            self._left_out.append(f"{name} (neither a file, a folder nor a link)")

    def _is_foreign(self, path: str, name: str) -> bool:
        """Tell whether a folder is a virtual environment or holds our own runs."""
        if Path(path, "pyvenv.cfg").is_file():
            self._left_out.append(f"{name}/ (a virtual environment)")
            return True
        return Path(path).resolve() in self._outside

    def _target(self, path: str) -> str:
        """Return where a link points. One that leaves the source is made absolute: the copy lies elsewhere."""
        target = str(Path(path).readlink())
        real = Path(os.path.normpath(Path(path).parent.resolve() / target))
        return target if not Path(target).is_absolute() and real.is_relative_to(self._root) else str(real)


def _limit(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    if text and not text.isdigit():
        raise SnapshotError(Problem(f"${variable}", f"{text!r} is not a whole number", "give a number or unset it"))
    return int(text) if text else default


def _check_limits(contents: Contents) -> None:
    most_files, most_mb = _limit(LIMIT_FILES, DEFAULT_FILES), _limit(LIMIT_BYTES, DEFAULT_MB)
    problems = []
    if contents.bytes > most_mb * 10**6:
        what = f"holds {contents.bytes / 10**6:,.0f} MB; a snapshot takes at most {most_mb} MB"
        problems.append(Problem(str(contents.root), what, _advice(contents, LIMIT_BYTES, by_size=True)))
    if contents.files > most_files:
        what = f"holds {contents.files:,} files; a snapshot takes at most {most_files:,}"
        problems.append(Problem(str(contents.root), what, _advice(contents, LIMIT_FILES, by_size=False)))
    if problems:
        raise SnapshotError(*problems)


def _advice(contents: Contents, variable: str, by_size: bool) -> str:
    """Name the biggest entries of the source's first two levels."""
    weights: dict[str, int] = {}
    for entry in contents.entries:
        parts = entry.name.split("/")
        depth = 2 if by_size else max(1, min(2, len(parts) - 1))  # many small files are told by their folder
        top = "/".join(parts[:depth])
        weights[top] = weights.get(top, 0) + (entry.size if by_size else int(entry.kind != "folder"))
    biggest = sorted(filter(weights.get, weights), key=lambda name: -weights[name])[:5]
    told = ", ".join(
        f"{name} ({weights[name] / 10**6:,.1f} MB)" if by_size else f"{name} ({weights[name]:,} files)" for name in biggest
    )
    return f"the biggest: {told}. Name data and results in {IGNORE_FILES[0]}, or raise ${variable}"
