"""Azure ML's submitting scripts and notebooks, read and never run: job files and sweeps come out, and a report line by line."""

from __future__ import annotations

from slurmtf.migration.azureml import Imported, Written, read_azureml
from slurmtf.migration.notes import Kind, Note

__all__ = ["Imported", "Kind", "Note", "Written", "read_azureml"]
