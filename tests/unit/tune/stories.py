"""Sweeps in a workspace, written by the real ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slurmtf.files import write_json
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, to_line
from slurmtf.job.contract.sweep.leases import Owner
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import COMPLETED, FAILED, Event, Point, Result, Settings, SweepLayout, get_trial_folder
from slurmtf.runs.states.records import note_end
from slurmtf.runs.states.state import RunState

SPACE = {"lr": ["loguniform", [-6, -1]], "units": ["choice", [[16, "wide"]]]}
POINTS: list[dict[str, Any]] = [
    {"lr": 0.01, "units": 16},
    {"lr": 0.1, "units": "wide"},
    {"lr": 0.05, "units": 16},
    {"lr": 0.02, "units": 16},
]
PLAN = {"warnings": [], "site": "local", "provenance": {"estimator": {}}, "job": {"scheduler": "local"}, "cluster": ""}
DONE = (
    Result(0, COMPLETED, started=10.0, ended=20.0, best=0.5, values=2),
    Result(1, FAILED, started=11.0, ended=30.0, why="script", error="ValueError: bad 3", exit_code=1, task="main-0"),
    Result(2, COMPLETED, started=21.0, ended=40.0, best=0.75, values=2),
)


def sweep_folder(folder: Path, results: Sequence[Result] = DONE, ended: RunState | None = None, **settings: Any) -> Path:
    """Return the folder of a sweep of four trials, of which the given ones have a result."""
    known = Settings(**{"metric": "acc", "total": len(POINTS), "deadline": 4e9, **settings})
    files, layout = SweepLayout(str(folder)), RunLayout(str(folder))
    for path in (files.folder, layout.logs):
        Path(path).mkdir(parents=True)
    write_json(layout.plan, PLAN)
    write_json(files.settings, {**known.to_dict(), "space": SPACE})
    Path(files.points).write_text("".join(json.dumps(Point(values, "random")._asdict()) + "\n" for values in POINTS))
    ledger = Ledger(files)
    ledger.join(Owner("7_0", "7_0", "node1"), 5.0)
    for result in results:
        _end(ledger, folder, result._replace(element="7_0", host="node1"))
    if ended:
        note_end(layout, ended)
    return folder


def _end(ledger: Ledger, folder: Path, result: Result) -> None:
    ledger.leases.claim(result.trial, 0)
    values = [result.best / 2, result.best] if result.best is not None else []
    own = RunLayout(str(folder / get_trial_folder(result.trial)))
    for path in (own.metrics, own.logs, own.outputs):
        Path(path).mkdir(parents=True)
    Path(own.task_metrics("main-0")).write_bytes(b"".join(to_line(Entry("acc", value)) for value in values))
    Path(own.task_log("main-0", "out")).write_text(f"trial {result.trial}\n")
    Path(own.task_log("main-0", "err")).write_text(
        f"Traceback (most recent call last):\n{result.error}\n" if result.error else ""
    )
    ledger.write(Event("took", result.started, result.trial, host=result.host))
    ledger.write(*(Event("value", result.started, result.trial, number=n, value=value) for n, value in enumerate(values, 1)))
    ledger.finish(result)
    ledger.write(Event("ended", result.ended, result.trial, status=result.status, text=result.error))
