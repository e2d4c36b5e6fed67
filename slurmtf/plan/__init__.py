"""Estimator, site, environment and snapshot, resolved: every number decided, nothing touched.

Pure: no disk, no Slurm, no clock. Whoever wants to know what slurmtf would do asks for the plan.
"""

from __future__ import annotations

from slurmtf.plan.model import LaunchPlan, RunPlace
from slurmtf.plan.rendering import render
from slurmtf.plan.resolution import resolve

__all__ = ["LaunchPlan", "RunPlace", "render", "resolve"]
