"""From a trained run to a model that others can use: find it, export it to ONNX, register it, score files with it."""

from __future__ import annotations

from slurmtf.models.exporting import export
from slurmtf.models.registry import Model
from slurmtf.models.scoring import score

__all__ = ["Model", "export", "score"]
