"""Identify this process from the variables that Slurm and the launchers set."""

import os
import socket
from typing import Mapping, NamedTuple, Optional

from ..contract import variables as var
from ..contract.system import proc

OWN_RANK = var.SLURMTF_TASK
"""Set by our own launcher, which starts several tasks on one machine."""
RANK_VARIABLES = (
    OWN_RANK,
    var.OMPI_COMM_WORLD_RANK,  # before Slurm's: under mpirun every rank sees SLURM_PROCID=0, that of its daemon
    var.MV2_COMM_WORLD_RANK,
    var.PMIX_RANK,
    var.PMI_RANK,
    var.SLURM_PROCID,
)


class Process(NamedTuple):
    """A process: host, pid and start time together are unique."""

    host: str
    pid: int
    started: Optional[int]


def get_rank(environ: Mapping[str, str]) -> int:
    """Return this task's rank; 0 if no launcher started it."""
    return next((int(environ[name]) for name in RANK_VARIABLES if environ.get(name, "").isdigit()), 0)


def get_job_id(environ: Mapping[str, str]) -> Optional[str]:
    """Return the Slurm job that this process runs in."""
    return environ.get(var.SLURM_JOB_ID)


def get_array_job_id(environ: Mapping[str, str]) -> Optional[str]:
    """Return the id of the array that this job is an element of."""
    return environ.get(var.SLURM_ARRAY_JOB_ID)


def get_element(environ: Mapping[str, str]) -> Optional[int]:
    """Return this job's element number in its array; None if it is not part of one."""
    text = environ.get(var.SLURM_ARRAY_TASK_ID, "")
    return int(text) if get_array_job_id(environ) and text.isdigit() else None


def get_job_name(environ: Mapping[str, str]) -> Optional[str]:
    """Return the name by which Slurm and submitit know this job: ``33``, or ``33_4`` for an array's element."""
    number = get_element(environ)
    return get_job_id(environ) if number is None else "{}_{}".format(get_array_job_id(environ), number)


def count_requeues(environ: Mapping[str, str]) -> int:
    """Return how often Slurm has requeued the job (sbatch(1), SLURM_RESTART_COUNT: unset at first)."""
    return int(environ.get(var.SLURM_RESTART_COUNT) or 0)


def identify_process() -> Process:
    return Process(socket.gethostname(), os.getpid(), proc.read_start(os.getpid()))


def get_host(environ: Mapping[str, str]) -> str:
    """Return the name by which other nodes know this one."""
    return environ.get(var.SLURMD_NODENAME) or socket.gethostname()
