"""A run seen from outside: records, history, status, logs, metrics and files."""

from __future__ import annotations

from slurmtf.runs.states.state import RunState, RunStatus

__all__ = ["RunState", "RunStatus"]
