"""The logs of a run, whole or as they grow."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from slurmtf.agent.layout import RunLayout

CHUNK = 1 << 20


class LogReader:
    """Prints what the task logs of a run have gained since the last look.

    With more than one file, each line bears the name of its file. A line is printed when it is whole, or when the run
    has ended.
    """

    def __init__(self, layout: RunLayout, output: TextIO, role: str | None = None, job_log: bool = False) -> None:
        self._folder = Path(layout.logs)
        self._output = output
        self._role = role
        self._job_log = job_log
        self._read: dict[Path, int] = {}
        self._rest: dict[Path, bytes] = {}

    def files(self) -> list[Path]:
        """Return the logs to read, in the order of their names."""
        if self._job_log:
            return [self._folder / "job.log"]
        found = [*self._folder.glob("*.out"), *self._folder.glob("*.err")]
        return sorted(path for path in found if self._role is None or _matches(path.stem, self._role))

    def show_new(self, last_look: bool = False) -> bool:
        """Print what is new and tell whether there was any."""
        files = self.files()
        labels = {path.stem for path in files}
        shown = [self._show(path, path.stem if len(labels) > 1 else "", last_look) for path in files]
        return any(shown)

    def show_rest(self) -> None:
        """Print all that is left, of a run that has ended."""
        while self.show_new():
            pass
        self.show_new(last_look=True)

    def _show(self, path: Path, label: str, last_look: bool) -> bool:
        data = self._rest.pop(path, b"") + self._gained(path)
        whole, end, rest = data.rpartition(b"\n")
        if last_look:
            whole, rest = data, b""
        self._rest[path] = rest
        if whole or end:
            self._print(whole + (b"" if last_look else end), label)
        return bool(whole or end)

    def _gained(self, path: Path) -> bytes:
        """Return up to a mebibyte of what the file gained; one that was cut is read from its beginning."""
        try:
            with path.open("rb") as file:
                seen = self._read.get(path, 0)
                file.seek(seen if path.stat().st_size >= seen else 0)
                data = file.read(CHUNK)
                self._read[path] = file.tell()
        except FileNotFoundError:
            return b""
        return data

    def _print(self, data: bytes, label: str) -> None:
        text = data.decode("utf-8", "replace")
        if label:
            text = "".join(f"{label} | {line}" for line in text.splitlines(keepends=True))
        self._output.write(text)
        self._output.flush()


def _matches(label: str, role: str) -> bool:
    """Tell whether a log belongs to a role ('worker') or to one task of it ('worker-0')."""
    return role in (label, label.rpartition("-")[0])
