"""Job states by Slurm's names (squeue(1), JOB STATE CODES)."""

from __future__ import annotations

import re

from slurmtf.scheduler.base import Canceler, JobState

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
CANCELED_BY = re.compile(r"CANCELLED by ([0-9]{1,10})", re.ASCII)


def parse_state(text: str) -> JobState:
    """Return the state with Slurm's name (``CANCELLED by 0``, ``NODE_FAIL`` ...).

    An unknown name of a newer Slurm is ``UNKNOWN``, so that one job in such a state does not hide all others.
    """
    word = text.split(maxsplit=1)[0].rstrip("+") if text.split() else ""
    return _OTHER_NAMES.get(word) or _NAMES.get(word, JobState.UNKNOWN)


def parse_canceler(text: str) -> Canceler | None:
    """Return who canceled a job, from sacct's name of its state: ``CANCELLED by 1000``, or ``CANCELLED`` if nobody requested it
    (src/sacct/print.c). squeue's name does not say it."""
    found = CANCELED_BY.fullmatch(text)
    if found:
        return Canceler(int(found[1]))
    return Canceler() if text == JobState.CANCELLED.value else None
