"""The logs of a run, whole or as they grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from slurmtf.job.contract.layout import RunLayout

STREAMS = ("out", "err")
Label = Callable[[str], str]


def plain_label(label: str) -> str:
    return f"{label} | "


@dataclass(frozen=True)
class _Piece:
    """What one log gained up to a moment."""

    time: float
    path: Path
    end: int


class LogReader:
    """Prints what the task logs of a run have gained since the last look.

    With more than one task, each line bears the task's name. A line is printed when it is whole, or when the run has ended.
    What is there already is printed in the order in which it was written.
    """

    def __init__(
        self,
        layout: RunLayout,
        output: TextIO,
        role: str | None = None,
        job_log: bool = False,
        label: Label = plain_label,
    ) -> None:
        self._layout = layout
        self._folder = Path(layout.logs)
        self._output = output
        self._role = role
        self._job_log = job_log
        self._label = label
        self._read: dict[Path, int] = {}
        self._rest: dict[Path, bytes] = {}

    def files(self) -> list[Path]:
        """Return the logs to read: task by task, its output before its errors."""
        if self._job_log:
            return [path for path in [self._folder / "job.log"] if path.exists()]
        found = [path for stream in STREAMS for path in self._folder.glob(f"*.{stream}")]
        chosen = [path for path in found if self._role is None or _matches(path.stem, self._role)]
        return sorted(chosen, key=lambda path: (path.stem, STREAMS.index(path.suffix[1:])))

    def show_new(self, history: bool = False) -> None:
        """Print the whole lines that are new; what is there already (``history``) in the order in which it was written."""
        files = self.files()
        many = len({path.stem for path in files}) > 1
        clocked = [piece for path in files for piece in self._clocked(path)] if history else []
        for piece in sorted(clocked, key=lambda piece: piece.time):
            self._show(piece.path, many, piece.end)
        for path in files:
            self._show(path, many, _size(path))

    def show_rest(self) -> None:
        """Print all that is left, of a run that has ended."""
        self.show_new(history=not self._read)
        many = len({path.stem for path in self.files()}) > 1
        for path, rest in self._rest.items():
            self._print(path, rest + b"\n" if many and rest else rest, many)
        self._rest.clear()

    def _clocked(self, path: Path) -> Iterator[_Piece]:
        column = STREAMS.index(path.suffix[1:]) + 1 if path.suffix[1:] in STREAMS else 0
        try:
            lines = Path(self._layout.log_clock(path.stem)).read_text(encoding="ascii").splitlines() if column else []
        except OSError:
            lines = []
        for words in (line.split() for line in lines):
            if len(words) == len(STREAMS) + 1:
                yield _Piece(float(words[0]), path, int(words[column]))

    def _show(self, path: Path, many: bool, end: int) -> None:
        """Print the whole lines of a log up to a size; one that was cut is read from its beginning."""
        seen = self._read.get(path, 0)
        if end == seen:
            return
        with path.open("rb") as file:
            file.seek(seen if end > seen else 0)
            data = self._rest.pop(path, b"") + file.read(end - file.tell())
            self._read[path] = file.tell()
        whole, newline, self._rest[path] = data.rpartition(b"\n")
        self._print(path, whole + newline, many)

    def _print(self, path: Path, data: bytes, many: bool) -> None:
        if not data:
            return
        text = data.decode("utf-8", "replace")
        if many:
            text = "".join(self._label(path.stem) + line for line in text.splitlines(keepends=True))
        self._output.write(text)
        self._output.flush()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _matches(label: str, role: str) -> bool:
    """Tell whether a log belongs to a role ('worker') or to one task of it ('worker-0')."""
    return role in (label, label.rpartition("-")[0])
