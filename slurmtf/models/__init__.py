"""From a trained run to a model that others use: found, exported to ONNX, registered, used on many files."""

from __future__ import annotations

from slurmtf.models.exporting import export
from slurmtf.models.registry import Model
from slurmtf.models.scoring import score

__all__ = ["Model", "export", "score"]
