"""Each Slurm command as "arguments out, text in". No other part calls Slurm."""

from __future__ import annotations

from slurmtf.scheduler.slurm.client import SlurmClient
from slurmtf.scheduler.slurm.states import JobInfo, JobState

__all__ = ["JobInfo", "JobState", "SlurmClient"]
