"""Resolve estimator, site, environment and snapshot into a plan, which settles every number and changes nothing.

Pure: no disk, no Slurm, no clock. To find out what slurmtf would do, resolve a plan.
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
    """Import a name when it is first used: code that reads plans does not need the code that resolves them."""
    if name not in PLACES:
        raise AttributeError(f"module 'slurmtf.plan' has no attribute {name!r}")
    return getattr(import_module(f"slurmtf.plan.{PLACES[name]}"), name)
