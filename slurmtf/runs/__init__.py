"""The run seen from outside: submission, status, logs and files, from the run folder alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmtf.runs.run import Run, cancel_runs
from slurmtf.runs.state import RunState, RunStatus

if TYPE_CHECKING:
    from slurmtf.runs.experiment import Experiment

__all__ = ["Experiment", "Run", "RunState", "RunStatus", "cancel_runs"]


def __getattr__(name: str) -> object:
    """Import what submits when it is asked for: who looks at runs does without planning and submitting."""
    if name != "Experiment":
        raise AttributeError(f"module 'slurmtf.runs' has no attribute {name!r}")
    from slurmtf.runs.experiment import Experiment  # noqa: PLC0415

    return Experiment
