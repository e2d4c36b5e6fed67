"""What is submitted, and the run that comes of it: Experiment, Run, and runs once more."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmtf.experiments.experiment import Experiment
    from slurmtf.experiments.run import Run, cancel_runs

__all__ = ["Experiment", "Run", "cancel_runs"]
PLACES = {"Experiment": "experiment", "Run": "run", "cancel_runs": "run"}


def __getattr__(name: str) -> object:
    """Import what is asked for: who looks at runs does without planning and submitting."""
    if name not in PLACES:
        raise AttributeError(f"module 'slurmtf.experiments' has no attribute {name!r}")
    return getattr(import_module(f"slurmtf.experiments.{PLACES[name]}"), name)
