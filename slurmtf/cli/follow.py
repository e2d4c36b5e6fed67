"""Follow a run in a terminal."""

from __future__ import annotations

import time
from types import TracebackType

from slurmtf.cli.output import build_spinner, emit, format_time, note, spin
from slurmtf.cli.present import build_run_data, describe_attempt, format_details, format_headline
from slurmtf.diagnosis.waiting import format_hint
from slurmtf.experiments import Run
from slurmtf.runs import RunState, RunStatus
from slurmtf.runs.logs import LogReader
from slurmtf.runs.metrics.curves import RunSeries, format_value
from slurmtf.runs.metrics.reading import MetricsReader

DETACHED = 130
WAITING = (RunStatus.NOT_STARTED, RunStatus.QUEUED, RunStatus.PROVISIONING, RunStatus.PREPARING, RunStatus.STARTING)


METRIC_S = 10.0
"""The interval in seconds at which the primary metric is shown, if it has changed."""


class _MetricPrinter:
    """Prints a log, and next to it the last value of the run's primary metric."""

    def __init__(self, reader: LogReader | None, run: Run, name: str) -> None:
        self._reader = reader
        self._metrics = MetricsReader(run.layout)
        self._name = name
        self._next = time.monotonic() + METRIC_S

    def show_new(self) -> None:
        if self._reader:
            self._reader.show_new()
        if time.monotonic() >= self._next:
            self._tell()

    def show_rest(self) -> None:
        if self._reader:
            self._reader.show_rest()

    def _tell(self) -> None:
        self._next = time.monotonic() + METRIC_S
        if self._metrics.read_new():
            series = self._metrics.series().get(self._name)
            if series and series.points:
                found = RunSeries("", series)
                note(f"{self._name} {format_value(found.last)} at {format_value(found.last_step)}", fg="cyan")


class _Progress:
    """The state of a run on standard error: a line that is redrawn in a terminal, a line for each change elsewhere."""

    def __init__(self) -> None:
        self._live = build_spinner()
        self._told: set[str] = set()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def show(self, state: RunState) -> None:
        if state.again and not state.status.final:
            self._tell_once(f"attempt {state.again.number}", f"attempt {describe_attempt(state)}")
        if advice := format_hint(state.reason, state.job_id or ""):
            self._tell_once(advice, f"{state.reason}: {advice}")
        if self._live is not None and state.status in WAITING:
            spin(self._live, format_headline(state))
            return
        self._stop()
        note(f"{format_time(state.ended or None) or ''} {format_headline(state)}".strip())

    def _tell_once(self, key: str, text: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._stop()
            note(text, fg="yellow")

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()


def follow(run: Run, reader: LogReader | None = None) -> int:
    """Wait for a run, print what ``reader`` reads meanwhile, and return its exit code; Ctrl-C leaves it running."""
    try:
        name = run.primary_metric
        with _Progress() as progress:
            run.follow(_MetricPrinter(reader, run, name) if name else reader, progress.show)
    except KeyboardInterrupt:
        note(f"\ndetached; the run continues. Reattach with: slurmtf logs -f {run.word}")
        note(f"cancel it with: slurmtf cancel {run.word}")
        return DETACHED
    state = run.state
    emit(build_run_data(run.folder, state), "")
    note(format_details(run, state))
    return state.exit_status
