"""The rules that explain messages in logs, the most certain first; each family is a table in a file of its own.

A rule has words for a cheap search, the pattern that then decides, and a remedy. A message that healthy logs have too is
``weak``: it counts only if nothing else explains the end. A message that a process prints because another one died is a
``cascade``, and never outranks another log.
"""

from __future__ import annotations

from slurmtf.diagnosis.rules.cascades import CASCADES
from slurmtf.diagnosis.rules.containers import CONTAINERS
from slurmtf.diagnosis.rules.crashes import CRASHES
from slurmtf.diagnosis.rules.disks import DISKS
from slurmtf.diagnosis.rules.gpus import GPUS
from slurmtf.diagnosis.rules.libraries import LIBRARIES
from slurmtf.diagnosis.rules.limits import LIMITS
from slurmtf.diagnosis.rules.memory import MEMORY
from slurmtf.diagnosis.rules.modules import MODULES
from slurmtf.diagnosis.rules.mpi import MPI
from slurmtf.diagnosis.rules.network import NETWORK
from slurmtf.diagnosis.rules.python import PYTHON
from slurmtf.diagnosis.rules.rule import Rule
from slurmtf.diagnosis.rules.slurm import SLURM
from slurmtf.diagnosis.rules.weak import WEAK

__all__ = ["CASCADES", "RULES", "Rule"]

RULES: tuple[Rule, ...] = (
    *SLURM,
    *CONTAINERS,
    *MODULES,
    *MEMORY,
    *LIMITS,
    *LIBRARIES,
    *GPUS,
    *MPI,
    *NETWORK,
    *DISKS,
    *PYTHON,
    *CRASHES,
    *WEAK,
    *CASCADES,
)
