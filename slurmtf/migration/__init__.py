"""Turn scripts and notebooks that submit to Azure ML into job files and sweeps, with a report; they are read and never run."""

from __future__ import annotations

from slurmtf.migration.azureml import Imported, WrittenFile, read_azureml
from slurmtf.migration.notes import Kind, Note

__all__ = ["Imported", "Kind", "Note", "WrittenFile", "read_azureml"]
