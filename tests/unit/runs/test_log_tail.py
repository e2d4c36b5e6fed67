"""The end of a log, as a notebook and 'slurmtf watch' show it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.notebook import read_log_tail

NOISE = [f"noise {number}" for number in range(40)]


@pytest.mark.parametrize(
    ("grown", "last"),
    [({"out": 200, "err": 100}, "epoch 3"), ({"out": 100, "err": 200}, "noise 39"), ({"out": 100}, "epoch 3")],
)
def test_the_stream_that_grew_last_is_shown_last(grown: dict[str, int], last: str, tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    Path(layout.logs).mkdir()
    Path(layout.plan).write_text("{}")
    for stream, when in grown.items():
        path = Path(layout.logs, f"main-0.{stream}")
        path.write_text("epoch 2\nepoch 3\n" if stream == "out" else "\n".join(NOISE))
        os.utime(path, (when, when))
    assert list(read_log_tail(RunFolder(tmp_path), 5))[-1] == last
