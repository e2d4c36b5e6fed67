"""Estimator, site, environment and snapshot, resolved: every number decided, nothing touched.

Pure: no disk, no Slurm, no clock. Whoever wants to know what slurmtf would do asks for the plan.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmtf.plan.model import LaunchPlan, RunPlace
    from slurmtf.plan.rendering import render
    from slurmtf.plan.resolution import resolve

__all__ = ["LaunchPlan", "RunPlace", "render", "resolve"]
PLACES = {"LaunchPlan": "model", "RunPlace": "model", "render": "rendering", "resolve": "resolution"}


def __getattr__(name: str) -> object:
    """Import what is asked for: who reads a plan does without what makes one."""
    if name not in PLACES:
        raise AttributeError(f"module 'slurmtf.plan' has no attribute {name!r}")
    return getattr(import_module(f"slurmtf.plan.{PLACES[name]}"), name)
