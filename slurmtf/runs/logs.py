"""Read the logs of a run, whole or as they grow."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

from slurmtf.job.contract.layout import RunLayout

STREAMS = ("out", "err")
CHUNK = 1 << 18
"""The bytes read at once. A longer line is shown in pieces, so that neither long logs nor long lines need more memory."""
Label = Callable[[str], str]


def format_plain_label(label: str) -> str:
    return f"{label} | "


class Output(Protocol):
    """Where a log is printed."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


@dataclass(frozen=True)
class _Piece:
    """The size of a log (``end``) at a time."""

    time: float
    path: Path
    end: int


@dataclass
class _Log:
    """How much of a log has been shown; ``rest`` is the beginning of a line whose end has not been read yet."""

    position: int = 0
    rest: bytes = b""
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))


class LogReader:
    """Prints the new lines in the task logs of a run, or with ``job_log`` in the job's own log.

    With more than one task, each line begins with the task's name. A line is printed when it is complete, when it is very
    long, or when the run has ended. Existing lines are printed in the order in which they were written. A log that can't be
    read is skipped and added to ``unreadable``; errors of the output are raised.

    ``last`` limits the existing lines of each log to that many.
    """

    def __init__(
        self,
        layout: RunLayout,
        output: Output,
        role: str | None = None,
        job_log: bool = False,
        label: Label = format_plain_label,
        last: int | None = None,
    ) -> None:
        self._layout = layout
        self._folder = Path(layout.logs)
        self._output = output
        self._role = role
        self._job_log = job_log
        self._label = label
        self._last = last
        self._logs: dict[Path, _Log] = {}
        self._open: Path | None = None
        self.unreadable: set[Path] = set()

    def list_files(self) -> list[Path]:
        """Return the logs to read, task by task, output before errors."""
        if self._job_log:
            return [Path(self._layout.job_log)] if has_job_log(self._layout) else []
        found = [path for stream in STREAMS for path in self._folder.glob(f"*.{stream}")]
        chosen = [path for path in found if self._role is None or _is_of_role(path.stem, self._role)]
        return sorted(chosen, key=lambda path: (path.stem, STREAMS.index(path.suffix[1:])))

    def show_new(self, history: bool = False) -> None:
        """Print the new complete lines; with ``history``, in the order in which they were written."""
        files = self.list_files()
        many = len({path.stem for path in files}) > 1
        clocked = [piece for path in files for piece in self._read_clock(path)] if history else []
        for piece in sorted(clocked, key=lambda piece: piece.time):
            self._show(piece.path, many, piece.end)
        for path in files:
            self._show(path, many, _get_size(path))

    def show_rest(self) -> None:
        """Print the rest of the logs of a run that has ended."""
        self.show_new(history=not self._logs)
        many = len({path.stem for path in self.list_files()}) > 1
        for path, log in self._logs.items():
            self._print(path, log.rest + b"\n" if many and (log.rest or self._open == path) else log.rest, many)
            log.rest = b""

    def _read_clock(self, path: Path) -> Iterator[_Piece]:
        column = STREAMS.index(path.suffix[1:]) + 1 if path.suffix[1:] in STREAMS else 0
        try:
            lines = Path(self._layout.log_clock(path.stem)).read_text(encoding="ascii").splitlines() if column else []
        except (OSError, ValueError):
            lines = []
        for words in (line.split() for line in lines):
            if len(words) == len(STREAMS) + 1:
                yield _Piece(float(words[0]), path, int(words[column]))

    def _show(self, path: Path, many: bool, end: int) -> None:
        """Print the complete lines of a log up to a position; a log that was truncated is read again from its beginning."""
        log = self._get_log(path)
        if end < log.position and end == _get_size(path):
            log.position, log.rest = 0, b""
        if log.position >= end:
            return
        for chunk in self._read_chunks(path, log, end):
            self._take(path, log, chunk, many)

    def _read_chunks(self, path: Path, log: _Log, end: int) -> Iterator[bytes]:
        """Yield what is new in a log. Errors of whoever takes it, such as a closed output, are not the log's."""
        try:
            with path.open("rb") as file:
                file.seek(log.position)
                while log.position < end and (chunk := file.read(min(CHUNK, end - log.position))):
                    log.position += len(chunk)
                    yield chunk
        except OSError:
            self.unreadable.add(path)

    def _get_log(self, path: Path) -> _Log:
        if path not in self._logs:
            self._logs[path] = _Log(0 if self._last is None else locate_last_lines(path, self._last))
        return self._logs[path]

    def _take(self, path: Path, log: _Log, chunk: bytes, many: bool) -> None:
        whole, newline, log.rest = (log.rest + chunk).rpartition(b"\n")
        self._print(path, whole + newline, many)
        if len(log.rest) >= CHUNK:
            self._print(path, log.rest, many)
            log.rest = b""

    def _print(self, path: Path, data: bytes, many: bool) -> None:
        """Print a part of a log, which may begin or end within a line."""
        if not data:
            return
        text = self._logs[path].decoder.decode(data)
        if many:
            text = self._add_labels(path, text)
        self._output.write(text)
        self._output.flush()

    def _add_labels(self, path: Path, text: str) -> str:
        """Return text with the task's name before each line, except one that continues a shown line."""
        label, goes_on = self._label(path.stem), self._open == path
        between = "\n" if self._open and not goes_on else ""
        self._open = None if text.endswith("\n") else path
        lines = [label + line for line in text.splitlines(keepends=True)]
        return between + "".join(lines).removeprefix(label if goes_on else "")


def locate_last_lines(path: Path, lines: int) -> int:
    """Return the position of the last ``lines`` lines of a log; 0 if it has no more lines, or if it can't be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            return next(islice(_iterate_line_starts(file, size - 1), lines - 1, None), 0) if lines > 0 else size
    except OSError:
        return 0


def _iterate_line_starts(file: BinaryIO, end: int) -> Iterator[int]:
    """Yield the positions of a log's lines, from the last to the second. The newline at ``end`` begins no line."""
    while end > 0:
        begin = max(0, end - CHUNK)
        file.seek(begin)
        block = file.read(end - begin)
        place = len(block)
        while (place := block.rfind(b"\n", 0, place)) >= 0:
            yield begin + place + 1
        end = begin


def has_job_log(layout: RunLayout) -> bool:
    """Return whether the job's log has any content: a submission creates it empty, before Slurm opens it."""
    return _get_size(Path(layout.job_log)) > 0


def _get_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_of_role(label: str, role: str) -> bool:
    """Return whether a log belongs to a role ('worker') or to one of its tasks ('worker-0')."""
    return role in (label, label.rpartition("-")[0])
