"""Submit training jobs and work with their runs: Experiment, Run, and reruns."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmtf.experiments.experiment import Experiment
    from slurmtf.experiments.run import Run, cancel_runs

__all__ = ["Experiment", "Run", "cancel_runs"]
PLACES = {"Experiment": "experiment", "Run": "run", "cancel_runs": "run"}


def __getattr__(name: str) -> object:
    """Import a name when it is first used: looking at runs does not need the code that plans and submits."""
    if name not in PLACES:
        raise AttributeError(f"module 'slurmtf.experiments' has no attribute {name!r}")
    return getattr(import_module(f"slurmtf.experiments.{PLACES[name]}"), name)
