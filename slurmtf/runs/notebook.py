"""Show a run in a notebook: its state, its metrics and the end of its log, redrawn while a cell waits for the run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from slurmtf.plots import escape_unprintable
from slurmtf.plots.svg import to_svg
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.logs import STREAMS, locate_last_lines
from slurmtf.runs.metrics.curves import build_charts, select_series
from slurmtf.runs.metrics.reading import MetricsReader
from slurmtf.runs.states.state import RunState

TAIL_LINES, TAIL_BYTES = 15, 8192
MOST_CHARTS = 6
FRAME_S = 1.0
"""The shortest interval between two drawings, in seconds."""
COLOURS = {"Completed": "#1a7f37", "Failed": "#cf222e", "Canceled": "#9a6700"}
LOG_STYLE = "max-height: 20em; overflow: auto; background: #f6f8fa; color: #222; padding: 8px; font-size: 12px"


def is_in_notebook() -> bool:
    """Return whether this code runs in a notebook: in IPython's kernel, not in its shell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def to_html(run: RunFolder, state: RunState, reader: MetricsReader) -> str:
    """Return a run as HTML that runs no code and fetches nothing."""
    colour = COLOURS.get(state.status.value, "#0969da")
    status = f'<span style="color: {colour}; font-weight: bold">{state.status.value}</span>'
    facts = [f"job {state.job_id}" if state.job_id else "", state.nodes, state.reason, format_elapsed(state), state.message]
    line = escape(" · ".join(escape_unprintable(fact) for fact in facts if fact))
    reader.read_new()
    charts = build_charts(select_series({run.id: reader}))
    drawn = "".join(to_svg(chart, standalone=False) for chart in charts[:MOST_CHARTS])
    more = f"<p>and {len(charts) - MOST_CHARTS} more metrics: run.get_metrics()</p>" if len(charts) > MOST_CHARTS else ""
    log = "\n".join(read_log_tail(run))
    tail = f'<pre style="{LOG_STYLE}">{escape(log)}</pre>' if log else ""
    return f"<div><p><b>{escape(run.id)}</b> {status} {line}</p>{drawn}{more}{tail}</div>"


def format_elapsed(state: RunState) -> str:
    """Return how long a run has been running; empty before it starts."""
    if state.started is None:
        return ""
    minutes, seconds = divmod(round((state.ended or time.time()) - state.started), 60)
    return f"{minutes} min {seconds:02d} s"


def _get_mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def read_log_tail(run: RunFolder, lines: int = TAIL_LINES) -> Iterator[str]:
    """Yield the last lines of the logs of the run's first task, without control characters; the stream that grew last comes
    last."""
    logs = [Path(run.layout.logs, f"{run.tasks[0]}.{stream}") for stream in STREAMS] if run.tasks else []
    for path in sorted(logs, key=_get_mtime):
        try:
            with path.open("rb") as file:
                file.seek(locate_last_lines(path, lines))
                text = file.read(TAIL_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        yield from (escape_unprintable(line) for line in text.splitlines())


class LiveView:
    """The output of a cell while it waits. It is drawn within the cell's own call: no thread, no timer."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._reader = MetricsReader(run.layout)
        self._state: RunState | None = None
        self._handle: Any = None
        self._html = ""
        self._drawn_at = 0.0

    def tell(self, state: RunState) -> None:
        """Set a new state of the run."""
        self._state = state
        self._draw()

    def show_new(self) -> None:
        """Redraw what has changed, if the last drawing is old enough."""
        if time.monotonic() >= self._drawn_at + FRAME_S:
            self._draw()

    def show_rest(self) -> None:
        """Do nothing: the end is drawn when the last state is set."""

    def _draw(self) -> None:
        notebook: Any = import_module("IPython.display")
        self._drawn_at = time.monotonic()
        if self._state is None:
            return
        html = to_html(self._run, self._state, self._reader)
        if html == self._html:
            return
        self._html = html
        shown = notebook.HTML(html)
        if self._handle is None:
            self._handle = notebook.display(shown, display_id=True)
        else:
            self._handle.update(shown)
