"""Show what is done before a run is submitted, step by step."""

from __future__ import annotations

from types import TracebackType

from slurmtf.cli.output import build_spinner, note, spin

UNDER_WAY = " ..."


class Steps:
    """The steps on standard error: in a terminal the current one moves, elsewhere each is a line."""

    def __init__(self) -> None:
        self._live = build_spinner()

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def tell(self, step: str) -> None:
        if self._live is not None and step.endswith(UNDER_WAY):
            spin(self._live, step.removesuffix(UNDER_WAY))
            return
        self._stop()
        note(step, dim=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
