"""The run seen from outside: submission, status, logs and files, from the run folder alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmtf.runs.experiment import Experiment
    from slurmtf.runs.run import Run, cancel_runs
    from slurmtf.runs.state import RunState, RunStatus

__all__ = ["Experiment", "Run", "RunState", "RunStatus", "cancel_runs"]
PLACES = {"Experiment": "experiment", "Run": "run", "RunState": "state", "RunStatus": "state", "cancel_runs": "run"}


def __getattr__(name: str) -> object:
    """Import what is asked for: who looks at runs does without planning and submitting, and who lists them without either."""
    if name not in PLACES:
        raise AttributeError(f"module 'slurmtf.runs' has no attribute {name!r}")
    return getattr(import_module(f"slurmtf.runs.{PLACES[name]}"), name)
