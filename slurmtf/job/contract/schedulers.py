"""What a scheduler does for a job, as far as plans and jobs depend on it. The schedulers are in ``slurmtf/scheduler``."""

import re
from typing import NamedTuple

from . import variables as var

JOB_VARIABLE = re.compile(r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|PMI|PMIX|OMPI_COMM_WORLD|OMPI_UNIVERSE|MV2_COMM_WORLD)_")
"""Variables of the job in which we may be running, and of its MPI launcher: they tell a process its rank."""
KEPT_IN_A_JOB = (var.SLURM_CONF,)


def is_outside_of_job(name: str) -> bool:
    """Return whether a variable has nothing to do with a job in which we may be running."""
    return name in KEPT_IN_A_JOB or not JOB_VARIABLE.match(name)


class Capabilities(NamedTuple):
    """``takes_flags``: a job requests resources by flags in its script; ``keeps_time``: the scheduler warns a job before its
    time limit and ends it there; ``one_machine``: a job runs only on the machine that submitted it; ``starts_again``: a job may
    have itself restarted, or submit another one to follow it."""

    takes_flags: bool
    keeps_time: bool
    one_machine: bool
    starts_again: bool


SLURM, LOCAL = "slurm", "local"
CAPABILITIES = {
    SLURM: Capabilities(takes_flags=True, keeps_time=True, one_machine=False, starts_again=True),
    LOCAL: Capabilities(takes_flags=False, keeps_time=False, one_machine=True, starts_again=False),
}
