"""The job's time limit by its own clock: Slurm's warning may come before anything can receive it, or not at all."""

import os
import time
from typing import Callable, Mapping, Optional

from ..contract import variables as var
from ..contract.attempt.outcome import Cause
from ..contract.plan import JobPlan
from ..contract.system import proc

MINUTE = 60
EARLY_S = 60.0
"""How many seconds too early Slurm's signal may come (sbatch(1), --signal)."""


class TimeLimit:
    """The time limit of this job, and whether it has been announced."""

    def __init__(self, plan: JobPlan, environ: Mapping[str, str]) -> None:
        self._warning_s = plan.timings.warning
        self._deadline = compute_deadline(plan, environ)
        self._warned = False

    @property
    def left(self) -> Optional[float]:
        """Seconds until the limit; None if none is known."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    @property
    def is_near(self) -> bool:
        return self.left is not None and self.left <= self._warning_s

    @property
    def explains_signal(self) -> bool:
        """Whether USR2 is Slurm's warning; hours before the limit, somebody else sent it."""
        return self.left is None or self.left <= self._warning_s + EARLY_S

    def find_announced(self, is_preempted: Callable[[], bool]) -> Optional[Cause]:
        """Return the end that Slurm's USR2 announces; None if it is the time limit, which our own clock announces when due.

        Near the limit, the signal may warn of the limit or of a preemption: Slurm is queried.
        """
        if not self.explains_signal or is_preempted():
            return Cause.PREEMPTED
        return Cause.TIME_LIMIT if self.left is None else None

    def warn_once(self) -> bool:
        """Return True at the first call, to announce the limit once."""
        first, self._warned = not self._warned, True
        return first


def choose_leave(plan: JobPlan, goes_on: bool) -> float:
    """Return how many seconds before the limit we end the tasks of a run that continues after it; 0: Slurm ends them."""
    return plan.timings.leave if plan.can.keeps_time and goes_on else 0.0


def is_over(left: Optional[float], keeps_time: bool, leave_s: float) -> bool:
    """Return whether we must end the tasks now: at the limit if no scheduler ``keeps_time``, or before it by the time that
    continuing the run takes."""
    if left is None:
        return False
    return 0 < leave_s >= left if keeps_time else left <= 0


def is_notice_due(left: Optional[float], before: float, leave_s: float) -> bool:
    """Return whether to notify the script of the limit: ``before`` seconds before it is ended (0: never)."""
    return left is not None and before > 0 and left <= before + leave_s


def compute_left_for_script(notice: Optional[Cause], left: Optional[float], leave_s: float) -> Optional[float]:
    """Return for how many seconds the script may continue after a notice; None: unknown, as for a preemption."""
    return None if left is None or notice is not Cause.TIME_LIMIT else max(0.0, left - leave_s)


def compute_deadline(plan: JobPlan, environ: Mapping[str, str]) -> Optional[float]:
    """Return when the time limit is reached, on the steady clock; None if the plan has no limit.

    A newer Slurm gives the end by the controller's clock (sbatch(1), SLURM_JOB_END_TIME; 22.05 does not): if this node's clock
    is behind, the time since our own start counts. In an older Slurm, limits are whole minutes from the start of the batch
    script, whose process we are.
    """
    limit, end = plan.size.time_s, environ.get(var.SLURM_JOB_END_TIME, "")
    if not plan.can.keeps_time:
        return time.monotonic() + limit if limit else None
    if end.isdigit():
        began = environ.get(var.SLURM_JOB_START_TIME, "")
        by_clock = int(end) - time.time()
        return time.monotonic() + (min(by_clock, int(end) - int(began) - _measure_age()) if began.isdigit() else by_clock)
    return time.monotonic() - _measure_age() + -(-limit // MINUTE) * MINUTE if limit else None


def _measure_age() -> float:
    """Return the age of this process in seconds: exec keeps the start time."""
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    return uptime - float(proc.read_start(os.getpid()) or 0) / proc.TICKS
