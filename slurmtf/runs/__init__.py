"""The run seen from outside: submission, status, logs and files, from the run folder alone."""

from __future__ import annotations

from slurmtf.runs.experiment import Experiment
from slurmtf.runs.run import Run
from slurmtf.runs.status import RunState, RunStatus

__all__ = ["Experiment", "Run", "RunState", "RunStatus"]
