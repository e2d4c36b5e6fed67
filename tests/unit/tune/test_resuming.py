"""An ended sweep is resumed within bounds: all errors are reported at once, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import SpecError
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.tune.checks import LONGEST_MINUTES, MOST_CONCURRENT, MOST_RUNS
from slurmtf.tune.resuming import resume
from slurmtf.tune.run import SweepRun

from .stories import POINTS, sweep_folder

ENDED = RunState(RunStatus.CANCELED)
TOTAL, CONCURRENT, MINUTES = "--max-total-runs", "--max-concurrent-runs", "--max-duration-minutes"


@pytest.mark.parametrize(
    ("ended", "total", "concurrent", "minutes", "refused"),
    [
        (None, None, None, None, ["sweep-goes-on"]),
        (ENDED, len(POINTS) - 1, None, None, [TOTAL]),
        (ENDED, MOST_RUNS + 1, None, None, [TOTAL]),
        (ENDED, None, 0, None, [CONCURRENT]),
        (ENDED, None, MOST_CONCURRENT + 1, None, [CONCURRENT]),
        (ENDED, None, None, 0, [MINUTES]),
        (ENDED, None, None, LONGEST_MINUTES + 1, [MINUTES]),
        (None, 0, 0, 0, ["sweep-goes-on", TOTAL, CONCURRENT, MINUTES]),
    ],
)
def test_settings_out_of_bounds_are_refused(
    tmp_path: Path, ended: RunState | None, total: int | None, concurrent: int | None, minutes: int | None, refused: list[str]
) -> None:
    folder = sweep_folder(tmp_path / "tune-20260101-000000-aaaaaa", ended=ended)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(SpecError) as caught:
        resume(SweepRun(folder), total, concurrent, minutes)
    reasons = [one.where if one.code == "out-of-range" else one.code for one in caught.value.findings]
    assert reasons == refused
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
