"""Following a run in a terminal."""

from __future__ import annotations

from types import TracebackType

from slurmtf.cli.output import clock, emit, note, spin, spinner
from slurmtf.cli.present import details, headline, run_data
from slurmtf.diagnosis.waiting import hint
from slurmtf.runs import Run, RunState, RunStatus
from slurmtf.runs.logs import LogReader

DETACHED = 130
WAITING = (RunStatus.NOT_STARTED, RunStatus.QUEUED, RunStatus.PROVISIONING, RunStatus.PREPARING, RunStatus.STARTING)


class _Progress:
    """The state of a run on standard error: a line that moves in a terminal, a line for each change elsewhere."""

    def __init__(self) -> None:
        self._live = spinner()
        self._told: set[str] = set()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def show(self, state: RunState) -> None:
        advice = hint(state.reason)
        if advice and advice not in self._told:
            self._told.add(advice)
            self._stop()
            note(f"{state.reason}: {advice}", fg="yellow")
        if self._live is not None and state.status in WAITING:
            spin(self._live, headline(state))
            return
        self._stop()
        note(f"{clock(state.ended or None) or ''} {headline(state)}".strip())

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()


def follow(run: Run, reader: LogReader | None = None) -> int:
    """Wait for a run, print what ``reader`` reads meanwhile, and return its exit status; Ctrl-C leaves it running."""
    try:
        with _Progress() as progress:
            run.follow(reader, progress.show)
    except KeyboardInterrupt:
        note(f"\ndetached; the run goes on. Come back with: slurmtf logs -f {run.id}\nend it with: slurmtf cancel {run.id}")
        return DETACHED
    state = run.state
    emit(run_data(run, state), "")
    note(details(run, state))
    return state.exit_status
