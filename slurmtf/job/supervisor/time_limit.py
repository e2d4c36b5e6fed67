"""When the job's time is over, by its own clock: Slurm's warning may come before anybody can hear it, or not at all."""

import os
import time
from typing import Mapping, Optional

from ..common import identity
from ..contract.plan import JobPlan

MINUTE = 60
EARLY_S = 60.0
"""Seconds that Slurm's signal may come too early (sbatch(1), --signal)."""


def deadline(plan: JobPlan, environ: Mapping[str, str]) -> Optional[float]:
    """Return when the time limit is reached, on the steady clock; None when the plan names none.

    A newer Slurm tells (sbatch(1), SLURM_JOB_END_TIME; 22.05 does not). An older one has limits of whole minutes, which count
    from the start of the batch script, whose process we are.
    """
    limit, told = plan.size.time_s, environ.get("SLURM_JOB_END_TIME", "")
    if plan.local:
        return time.monotonic() + limit if limit else None
    if told.isdigit():
        return time.monotonic() + int(told) - time.time()
    return time.monotonic() - _age() + -(-limit // MINUTE) * MINUTE if limit else None


def _age() -> float:
    """Return for how many seconds this process has lived: exec keeps its time of start."""
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    return uptime - float(identity.process()["started"]) / os.sysconf("SC_CLK_TCK")
