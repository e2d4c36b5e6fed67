"""A throw-away Slurm on one machine: real daemons, four nodes with names, addresses and processes of their own.

`scripts/cluster start` keeps one running for a developer; the fixtures in `fixtures.py` start one for a test session.
Debian's packages: slurm-wlm slurmdbd mariadb-server munge iproute2, for `srun --mpi=pmix` libpmix-dev, for the variant
slurm24 debootstrap.
"""

from .cluster import Cluster
from .config import VARIANTS
from .errors import ClusterError, ClusterUnavailable
from .machine import wait_for

__all__ = ["VARIANTS", "Cluster", "ClusterError", "ClusterUnavailable", "wait_for"]
