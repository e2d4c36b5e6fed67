"""``slurmtf watch``"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from slurmtf.cli.beside import run_in_background
from slurmtf.cli.commands.ls import HEADING, format_row
from slurmtf.cli.output import escape, escape_line_breaks, format_duration, strip_colours
from slurmtf.cli.present import describe_cancel_result, format_last_value
from slurmtf.cli.selecting import Selection, selection_options
from slurmtf.cli.watching import (
    GAP,
    KEYS,
    NAME,
    Action,
    Line,
    Mode,
    View,
    choose_footer,
    fit_columns,
    parse_keys,
    press,
    split_height,
)
from slurmtf.errors import InputError, RunNotFoundError, SlurmtfError
from slurmtf.experiments import Run, cancel_runs
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.runs.logs import LogReader
from slurmtf.runs.metrics.reading import MetricsReader
from slurmtf.runs.notebook import read_log_tail
from slurmtf.runs.workspaces.listing import ListedRun

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.text import Text

ReadKeys = Callable[[float], Iterator[str]]
"""Waits for keys, for at most so many seconds."""

READ_S = 2.0
"""The interval in seconds at which the folders are read, longer if there are thousands:"""
READING = 0.05
"""the largest share of a core that reading may take."""
DUMB_TERMINALS = ("dumb", "unknown")
"""Terminals that can't be drawn on, according to rich."""
ANSWER_S = 60.0
"""The oldest answer of Slurm's to accept, in seconds: all terminals together query once in that time."""
FRAME_S = 1.0
FOLLOW_S = 0.1
"""How long the end of a followed log may go unnoticed."""
PRINTED = 4096
"""The characters that a slow terminal may still show after Ctrl-C."""
WAITING_FRAME_S = 0.2
"""While an answer is pending, the screen is redrawn within so many seconds of its arrival."""
AT_ONCE_S = 0.3
"""The most seconds that a key waits for an answer; most answers have come by then."""
SLOW_S = 3.0
"""Seconds after which a pending answer is mentioned."""
COLUMNS = (*HEADING[:-1], "WHY, METRIC")
GONE_ERRORS = (RunNotFoundError, OSError)
"""What is raised if a run is removed while it is read."""
LATE_ANSWER = "Slurm, or a disk, has not answered for {}"


@click.command("watch")
@click.option(
    "--number", "-n", type=click.IntRange(min=1), default=50, show_default=True, help="Number of runs to watch, the newest."
)
@selection_options
def command(selection: Selection, number: int) -> None:
    """Watch runs in a table that stays up to date, with the end of the selected run's log and its primary metric.

    Keys: up and down choose a run, / filters, l opens its log, c cancels it, ? shows all keys, q quits. All terminals together
    ask Slurm once a minute.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(Finding("no-terminal", "watch", "needs a terminal", "use 'slurmtf ls' elsewhere"))
    term = os.environ.get(var.TERM)
    if term in DUMB_TERMINALS:
        what = f"needs a terminal that can move its cursor, and $TERM is {term}"
        raise InputError(Finding("dumb-terminal", "watch", what, "set TERM to what it is (xterm), or use 'slurmtf ls'"))
    with contextlib.suppress(KeyboardInterrupt):
        _Screen(selection, number).run()


class _Metrics:
    """The last value of each run's primary metric, read as it grows."""

    def __init__(self) -> None:
        self._readers: dict[str, tuple[str, MetricsReader]] = {}
        self._ended: dict[str, str] = {}

    def format_value(self, run: ListedRun) -> str:
        name = run.folder.name
        if name in self._ended:
            return self._ended[name]
        text = self._read_value(run)
        if run.status.final:
            self._ended[name] = text
            self._readers.pop(name, None)
        return text

    def _read_value(self, run: ListedRun) -> str:
        try:
            if run.folder.name not in self._readers:
                opened = Run(run.folder)
                self._readers[run.folder.name] = (opened.primary_metric or "", MetricsReader(opened.layout))
            metric, reader = self._readers[run.folder.name]
            if metric:
                reader.read_new()
        except GONE_ERRORS:
            return ""
        return format_last_value(metric, reader.series().get(metric)) if metric else ""


class _Reading:
    """Reads the runs repeatedly, in the background: Slurm may not answer for a minute."""

    def __init__(self, selection: Selection, number: int) -> None:
        self._selection, self._number = selection, number
        self._coming: Future[tuple[list[ListedRun], float]] | None = None
        self._began = self._next = 0.0

    @property
    def waits(self) -> float:
        """Return how many seconds the pending answer has taken so far."""
        return time.monotonic() - self._began if self._coming else 0.0

    def read_soon(self) -> None:
        """Read again as soon as possible."""
        self._next = 0.0

    def poll(self) -> list[ListedRun] | None:
        """Return the runs if they have been read again. Raises the errors of reading."""
        if self._coming is None and time.monotonic() >= self._next:
            self._began, self._coming = time.monotonic(), run_in_background(self._read)
            wait([self._coming], AT_ONCE_S)
        if self._coming is None or not self._coming.done():
            return None
        coming, self._coming, self._next = self._coming, None, time.monotonic() + READ_S
        runs, took = coming.result()
        self._next = time.monotonic() + max(READ_S, took / READING)
        return runs

    def _read(self) -> tuple[list[ListedRun], float]:
        began = time.thread_time()
        runs = self._selection.find(self._number, ANSWER_S).runs
        return runs, time.thread_time() - began


class _StoppedError(Exception):
    """A log is no longer followed."""


class _FollowedLog:
    """The log of a run, printed in the background as it grows, until it is stopped.

    Ctrl-C interrupts the main thread (signal), which imports nothing meanwhile: an interrupt in an import can leave Python's
    import lock held (importlib._bootstrap), and another thread that imports would then wait forever.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._reader = LogReader(run.layout, self)
        self._stopped = False
        self._end = run_in_background(self._follow)

    def wait(self) -> None:
        """Wait until the run has ended."""
        while not self._end.done():
            time.sleep(FOLLOW_S)

    def stop(self) -> None:
        """Print nothing more, even if the thread still waits for Slurm."""
        self._stopped = True
        wait([self._end], AT_ONCE_S)

    def write(self, text: str) -> None:
        for start in range(0, len(text), PRINTED):
            self._check()
            sys.stdout.write(text[start : start + PRINTED])

    def flush(self) -> None:
        sys.stdout.flush()

    def show_new(self) -> None:
        self._check()
        self._reader.show_new()

    def show_rest(self) -> None:
        self._check()
        self._reader.show_rest()

    def _check(self) -> None:
        if self._stopped:
            raise _StoppedError

    def _follow(self) -> None:
        with contextlib.suppress(_StoppedError):
            try:
                self._reader.show_new(history=True)
                self._run.follow(self, None)
            except (SlurmtfError, OSError) as err:
                self.write(f"{err}\n")


class _Screen:
    """The terminal: it is redrawn when a key is pressed, or a second has passed."""

    def __init__(self, selection: Selection, number: int) -> None:
        self._nothing = selection.none
        self._reading = _Reading(selection, number)
        self._canceling: dict[str, Future[str]] = {}
        self._view = View()
        self._runs: dict[str, ListedRun] | None = None
        self._metrics = _Metrics()

    def run(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - 40 ms that only a terminal pays
        from rich.live import Live  # noqa: PLC0415

        action = Action.NONE
        while action is not Action.QUIT:
            with _open_keyboard() as keys, Live(console=Console(), screen=True, auto_refresh=False) as live:
                action = self._watch(live, keys)
            if action is Action.LOGS:
                self._open_log()
            if action is Action.SUSPEND:
                os.kill(0, signal.SIGTSTP)  # the whole job, as the terminal does
        self._finish()

    def _watch(self, live: Live, keys: ReadKeys) -> Action:
        """Draw and take keys until something else needs the terminal, or the user quits."""
        while True:
            self._take_answers()
            live.update(self._draw_screen(live.console), refresh=True)
            for key in keys(WAITING_FRAME_S if self._reading.waits or self._canceling else FRAME_S):
                self._view, action = press(self._view, key)
                if action is Action.CANCEL:
                    self._cancel(self._view.selected)
                elif action is not Action.NONE:
                    return action

    def _take_answers(self) -> None:
        """Show the answers that have arrived, and for how long others have been pending."""
        for run_id in [run_id for run_id, future in self._canceling.items() if future.done()]:
            self._view = replace(self._view, message=f"{run_id}: {self._canceling.pop(run_id).result()}")
            self._reading.read_soon()
        try:
            runs = self._reading.poll()
        except (SlurmtfError, OSError) as err:
            if self._runs is None:
                raise
            self._view = replace(self._view, late=str(err))
            return
        if runs is not None:
            self._runs = {run.name: run for run in runs}
            self._view = replace(self._view.replace_lines([self._build_line(run) for run in runs]), late="")
        if self._reading.waits > SLOW_S:
            self._view = replace(self._view, late=LATE_ANSWER.format(format_duration(self._reading.waits)))

    @staticmethod
    def _build_line(run: ListedRun) -> Line:
        cells = format_row(run)
        over = run.status.value if run.status.final else ""
        return Line(run.name, cells, " ".join(map(strip_colours, cells[1:])), over)

    @property
    def _known(self) -> dict[str, ListedRun]:
        return self._runs or {}

    def _add_metric(self, line: Line) -> Line:
        """Return the line of a run with its metric beside the reason."""
        *facts, why = line.cells
        return replace(
            line, cells=(*facts, ", ".join(filter(None, (why, self._metrics.format_value(self._known[line.run_id])))))
        )

    def _cancel(self, run_id: str) -> None:
        folder = self._known[run_id].folder

        def cancel() -> str:
            try:
                (state,) = cancel_runs([Run(folder)])
                return describe_cancel_result(state)
            except SlurmtfError as err:
                return str(err)

        self._view = replace(self._view, message=f"{run_id}: is being canceled")
        self._canceling.setdefault(run_id, run_in_background(cancel))
        wait([self._canceling[run_id]], AT_ONCE_S)

    def _finish(self) -> None:
        """Wait for pending cancellations, which would otherwise not happen."""
        for run_id, future in self._canceling.items():
            if not future.done():
                click.echo(f"{run_id} is still being canceled; Ctrl-C does not wait for that", err=True)
            click.echo(f"{run_id}: {future.result()}", err=True)

    def _open_log(self) -> None:
        """Show the whole log of the selected run, and follow it while it runs; then wait for a key."""
        try:
            run = Run(self._known[self._view.selected].folder)
        except SlurmtfError as err:
            self._view = replace(self._view, message=str(err))
            return
        click.secho(escape_line_breaks(escape(f"{run.id}: Ctrl-C stops following")), dim=True)
        log = _FollowedLog(run)
        with contextlib.suppress(KeyboardInterrupt):
            log.wait()
        log.stop()
        with contextlib.suppress(KeyboardInterrupt), _open_keyboard() as keys:
            click.secho("\nany key: back to the table", dim=True)
            while not list(keys(FRAME_S)):
                pass

    def _draw_screen(self, console: Console) -> Group:
        from rich.console import Group  # noqa: PLC0415
        from rich.rule import Rule  # noqa: PLC0415

        view, (width, height) = self._view, console.size
        rows, lines = split_height(height, len(view.shown))
        below = list(KEYS) if view.mode is Mode.HELP else self._read_log(lines) if lines else []
        last = _cut(escape_line_breaks(escape(choose_footer(view, width))), width, "bold")
        runs = [self._add_metric(line) for line in view.window(rows)]
        above: list[RenderableType] = [*_draw_table(runs, view.selected, width)]
        above.append(Rule(view.selected, style="dim"))
        return Group(*above[: max(0, height - 1)], *(_cut(line, width) for line in below[:lines]), last)

    def _read_log(self, lines: int) -> list[str]:
        if self._runs is None:
            return []
        selected = self._runs.get(self._view.selected)
        if selected is None:
            return [self._nothing if not self._runs else "no run matches"]
        try:
            return list(read_log_tail(Run(selected.folder), lines))[-lines:] or ["no log yet"]
        except GONE_ERRORS as err:
            return [str(err)]


def _draw_table(lines: list[Line], selected: str, width: int) -> list[Text]:
    """Return the heading and a line for each run."""
    from rich.text import Text  # noqa: PLC0415

    rows = [
        [Text.from_ansi(escape_line_breaks(escape(cell))) for cell in cells]
        for cells in (COLUMNS, *(line.cells for line in lines))
    ]
    longest = [max(cell.cell_len for cell in column) if any(column[1:]) else 0 for column in zip(*rows, strict=True)]
    widths = fit_columns([longest[NAME] or len(COLUMNS[NAME]), *longest[1:]], width)
    drawn = [Text(" " * GAP).join(_fit(row[place], place, wide) for place, wide in widths.items()) for row in rows]
    for line, text in zip((None, *lines), drawn, strict=True):
        text.stylize("dim" if line is None else "reverse" if line.run_id == selected else "")
    return drawn


def _fit(cell: Text, place: int, width: int) -> Text:
    """Fit a cell into a width; a run's name keeps its end, which distinguishes it."""
    from rich.text import Text  # noqa: PLC0415

    over = len(cell) - width
    if place == NAME and over > 0:
        cell = Text("…").append_text(cell[over + 1 :])
    cell.truncate(width, overflow="ellipsis", pad=True)
    return cell


def _cut(line: str, width: int, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415

    text = Text(line, style=style, no_wrap=True)
    text.expand_tabs(8)
    text.truncate(width, overflow="ellipsis")
    return text


@contextlib.contextmanager
def _open_keyboard() -> Iterator[ReadKeys]:
    """Read keys one by one, without echo."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def read(seconds: float) -> Iterator[str]:
        ready, _, _ = select.select([terminal], [], [], seconds)
        text = os.read(terminal, 1024) if ready else b""
        if ready and not text:
            raise KeyboardInterrupt  # the terminal is gone
        return parse_keys(text.decode("utf-8", "ignore"))

    try:
        tty.setcbreak(terminal)
        own = termios.tcgetattr(terminal)
        own[-1][termios.VSUSP] = b"\0"  # Ctrl-Z is read as a key: the screen must be restored before the shell gets it
        termios.tcsetattr(terminal, termios.TCSANOW, own)
        yield read
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
