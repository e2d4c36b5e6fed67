"""The journals of a run as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slurmtf.job.contract.attempt import journal
from slurmtf.job.contract.attempt.outcome import Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.words import describe_outcome


def events(folder: str | Path) -> list[dict[str, Any]]:
    """The events of all attempts of a run folder, in their order; an outcome's fields beside, and its text as ``message``."""
    paths = [Path(attempt.path) for attempt in journal.read_attempts(RunLayout(str(folder)))]
    return [_flatten(json.loads(line)) for path in paths for line in path.read_text().splitlines()]


def _flatten(event: dict[str, Any]) -> dict[str, Any]:
    if "outcome" not in event:
        return event
    outcome = event.pop("outcome")
    return {**outcome, "message": describe_outcome(Outcome.from_dict(outcome)), **event}


def files(folder: str | Path) -> list[Path]:
    """The journals that are there."""
    return sorted(Path(RunLayout(str(folder)).journals).glob("*.jsonl"))
