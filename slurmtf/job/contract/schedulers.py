"""What a scheduler does for a job, as far as plans and jobs depend on it. Its class is in ``slurmtf/scheduler``."""

from typing import NamedTuple


class Capabilities(NamedTuple):
    """``takes_flags``: a job asks for what it needs by flags in its script; ``keeps_time``: the scheduler ends it at its time
    limit, and warns it before; ``one_machine``: it runs on the machine that submitted it, and nowhere else."""

    takes_flags: bool
    keeps_time: bool
    one_machine: bool


SLURM, LOCAL = "slurm", "local"
CAPABILITIES = {
    SLURM: Capabilities(takes_flags=True, keeps_time=True, one_machine=False),
    LOCAL: Capabilities(takes_flags=False, keeps_time=False, one_machine=True),
}
