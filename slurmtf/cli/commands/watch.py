"""``slurmtf watch``"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import Any

import click

from slurmtf.cli.commands.ls import HEADING, row_of
from slurmtf.cli.output import bare, shown
from slurmtf.cli.present import series_text
from slurmtf.cli.selecting import Selection, selection_options
from slurmtf.cli.watching import Action, Line, View, footer, keys_in, pressed
from slurmtf.errors import InputError, RunNotFoundError, SlurmtfError
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.runs.listing import Listed
from slurmtf.runs.logs import LogReader
from slurmtf.runs.metrics import MetricsReader
from slurmtf.runs.notebook import log_tail

READ_S = 2.0
"""The folders are read so often."""
ANSWER_S = 60.0
"""How old an answer of Slurm's may be: all terminals together ask once in that time."""
FRAME_S = 1.0
REASON = 6
"""The column that is cut where all of them don't fit."""


@click.command("watch")
@click.option(
    "--number", "-n", type=click.IntRange(min=1), default=50, show_default=True, help="Number of runs to watch, the newest."
)
@selection_options
def command(selection: Selection, number: int) -> None:
    """Watch runs in a table that stays up to date, with the end of the chosen run's log and its primary metric.

    Keys: up and down choose a run, / filters, l opens its log, c cancels it, q quits. All terminals together ask Slurm once a
    minute.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(Finding("no-terminal", "watch", "needs a terminal", "use 'slurmtf ls' elsewhere"))
    with contextlib.suppress(KeyboardInterrupt):
        _Screen(selection, number).run()


class _Metrics:
    """The last value of each run's primary metric, read as it grows."""

    def __init__(self) -> None:
        self._readers: dict[str, tuple[str, MetricsReader]] = {}
        self._ended: dict[str, str] = {}

    def of(self, run: Listed) -> str:
        name = run.folder.name
        if name in self._ended:
            return self._ended[name]
        text = self._last(run)
        if run.status.final:
            self._ended[name] = text
            self._readers.pop(name, None)
        return text

    def _last(self, run: Listed) -> str:
        try:
            if run.folder.name not in self._readers:
                opened = Run(run.folder)
                self._readers[run.folder.name] = (opened.primary_metric or "", MetricsReader(opened.layout))
        except RunNotFoundError:  # removed meanwhile
            return ""
        metric, reader = self._readers[run.folder.name]
        if not metric:
            return ""
        reader.read_new()
        return series_text(metric, reader.series().get(metric))


class _Screen:
    """The terminal: it is drawn when a key comes, or a second has gone."""

    def __init__(self, selection: Selection, number: int) -> None:
        self._selection, self._number = selection, number
        self._view = View()
        self._runs: dict[str, Listed] = {}
        self._metrics = _Metrics()

    def run(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - 40 ms that only a terminal pays
        from rich.live import Live  # noqa: PLC0415

        action = Action.LOGS
        while action is not Action.QUIT:
            with _keys() as keys, Live(console=Console(), screen=True, auto_refresh=False) as live:
                action = self._watch(live, keys)
            if action is Action.LOGS:
                self._open_log()

    def _watch(self, live: Any, keys: Any) -> Action:
        """Draw and take keys until something else needs the terminal, or it is quit."""
        next_read = 0.0
        while True:
            if time.monotonic() >= next_read:
                self._read()
                next_read = time.monotonic() + READ_S
            live.update(self._drawn(), refresh=True)
            for key in keys(FRAME_S):
                self._view, action = pressed(self._view, key)
                if action is Action.CANCEL:
                    self._cancel()
                    next_read = 0.0
                elif action is not Action.NONE:
                    return action

    def _read(self) -> None:
        runs = self._selection.find(self._number, ANSWER_S).runs
        self._runs = {run.folder.name: run for run in runs}
        self._view = self._view.with_lines([self._line(run) for run in runs])

    def _line(self, run: Listed) -> Line:
        name, status, job, started, ran, why = row_of(run)
        cells = (name, status, job, started, ran, self._metrics.of(run), why)
        return Line(run.folder.name, cells, " ".join(map(bare, cells[1:])))

    def _cancel(self) -> None:
        run = self._view.chosen
        try:
            Run(self._runs[run].folder).cancel()
            told = f"{run}: cancel requested"
        except SlurmtfError as err:
            told = f"{run}: {err}"
        self._view = View(self._view.lines, run, self._view.words, told=told)

    def _open_log(self) -> None:
        """Show the whole log of the chosen run, and follow it while it runs; then wait for Enter."""
        try:
            run = Run(self._runs[self._view.chosen].folder)
        except SlurmtfError as err:
            self._view = View(self._view.lines, self._view.chosen, self._view.words, told=str(err))
            return
        reader = LogReader(run.layout, sys.stdout)
        click.secho(f"{run.id}: Ctrl-C stops following", dim=True)
        with contextlib.suppress(KeyboardInterrupt, SlurmtfError):
            reader.show_new(history=True)
            run.follow(reader, None)
        click.secho("\nEnter: back to the table", dim=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.readline()

    def _drawn(self) -> Any:
        from rich.console import Group  # noqa: PLC0415
        from rich.rule import Rule  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        height = shutil.get_terminal_size().lines
        rows = self._view.window(max(1, (height - 4) // 2))
        log = self._log(max(1, height - len(rows) - 4))
        parts = [_table(rows, self._view.chosen), Rule(self._view.chosen, style="dim")]
        lines = [Text(line, no_wrap=True, overflow="ellipsis") for line in log]
        return Group(*parts, *lines, Text(footer(self._view), style="bold"))

    def _log(self, lines: int) -> list[str]:
        chosen = self._runs.get(self._view.chosen)
        if chosen is None:
            return [self._selection.none if not self._runs else "no run matches"]
        try:
            return list(log_tail(Run(chosen.folder), lines))[-lines:] or ["no log yet"]
        except RunNotFoundError as err:
            return [str(err)]


def _table(lines: list[Line], chosen: str) -> Any:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    rows = {line.run_id: [Text.from_ansi(shown(cell)) for cell in line.cells] for line in lines}
    for place, name in enumerate((*HEADING[:5], "METRIC", HEADING[5])):
        whole = max([len(cells[place]) for cells in rows.values()], default=0) if place < REASON else 0
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=whole)
    for run_id, cells in rows.items():
        table.add_row(*cells, style="reverse" if run_id == chosen else "")
    return table


@contextlib.contextmanager
def _keys() -> Iterator[Any]:
    """Have keys come one by one, without being shown; yields what waits for them so many seconds at most."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def read(seconds: float) -> Iterator[str]:
        ready, _, _ = select.select([terminal], [], [], seconds)
        text = os.read(terminal, 1024) if ready else b""
        if ready and not text:
            raise KeyboardInterrupt  # the terminal is gone
        return keys_in(text.decode("utf-8", "ignore"))

    try:
        tty.setcbreak(terminal)
        yield read
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
