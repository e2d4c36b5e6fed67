"""Job states as Slurm names them (squeue(1), JOB STATE CODES)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class JobState(Enum):
    """Where a job is. ``LOST``: Slurm answered, and knows no such job. ``UNKNOWN``: it said what we can't read."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    PREEMPTED = "PREEMPTED"
    NODE_FAIL = "NODE_FAIL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    BOOT_FAIL = "BOOT_FAIL"
    DEADLINE = "DEADLINE"
    LOST = "LOST"
    UNKNOWN = "UNKNOWN"

    @property
    def final(self) -> bool:
        """Whether the job will not run again."""
        return self not in _LIVE


_LIVE = {JobState.PENDING, JobState.CONFIGURING, JobState.RUNNING, JobState.SUSPENDED, JobState.COMPLETING, JobState.UNKNOWN}
_NAMES = {state.value: state for state in JobState}
_OTHER_NAMES = {
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "POWER_UP_NODE": JobState.CONFIGURING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.COMPLETING,
    "STOPPED": JobState.SUSPENDED,
    "REVOKED": JobState.CANCELLED,
    "LAUNCH_FAILED": JobState.FAILED,
    "RECONFIG_FAIL": JobState.FAILED,
}


@dataclass(frozen=True)
class JobInfo:
    """What Slurm says of one job. Times in seconds since 1970; ``start`` of a pending job is Slurm's estimate."""

    job_id: str
    state: JobState
    reason: str = ""
    start: float | None = None
    end: float | None = None
    nodes: str = ""
    exit_code: int | None = None
    signal: int | None = None
    folder: str = ""


def parse_state(text: str) -> JobState:
    """Return the state of Slurm's word for it (``CANCELLED by 0``, ``NODE_FAIL`` ...).

    A word that a newer Slurm has is ``UNKNOWN``: one job in such a state must not hide all others.
    """
    word = text.split(maxsplit=1)[0].rstrip("+") if text.split() else ""
    return _OTHER_NAMES.get(word) or _NAMES.get(word, JobState.UNKNOWN)
