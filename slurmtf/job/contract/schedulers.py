"""What a scheduler does for a job, where plans and jobs depend on it. The schedulers are in ``slurmtf/scheduler``."""

import re
from typing import NamedTuple

from . import variables as var

OF_A_JOB = re.compile(r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|PMI|PMIX|OMPI_COMM_WORLD|OMPI_UNIVERSE|MV2_COMM_WORLD)_")
"""Variables of the job in which we may have been started, of its MPI launcher too: they say which rank a process is."""
KEPT_IN_A_JOB = (var.SLURM_CONF,)


def outside_of_a_job(name: str) -> bool:
    """Return whether a variable has nothing to do with the job in which we may be."""
    return name in KEPT_IN_A_JOB or not OF_A_JOB.match(name)


class Capabilities(NamedTuple):
    """``takes_flags``: a job asks for what it needs by flags in its script; ``keeps_time``: the scheduler ends it at its time
    limit, and warns it before; ``one_machine``: it runs on the machine that submitted it, and nowhere else; ``starts_again``: a
    job may have itself started again, or another one after it."""

    takes_flags: bool
    keeps_time: bool
    one_machine: bool
    starts_again: bool


SLURM, LOCAL = "slurm", "local"
CAPABILITIES = {
    SLURM: Capabilities(takes_flags=True, keeps_time=True, one_machine=False, starts_again=True),
    LOCAL: Capabilities(takes_flags=False, keeps_time=False, one_machine=True, starts_again=False),
}
