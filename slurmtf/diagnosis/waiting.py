"""What Slurm's reasons for a waiting job mean (squeue(1), JOB REASON CODES)."""

from __future__ import annotations

import re
from collections.abc import Sequence

NEVER = "it will not start as it is: cancel it, and "
MEANINGS: Sequence[tuple[str, str]] = (
    (r"PartitionTimeLimit", NEVER + "ask for a time within the partition's limit ('sinfo -o \"%P %l\"')"),
    (r"PartitionNodeLimit", NEVER + "ask for no more nodes than the partition lets a job have ('sinfo -o \"%P %D\"')"),
    (r"PartitionConfig|BadConstraints|Reqs?NodeNotAvail.*MAINT", NEVER + "ask for what its nodes have ('sinfo -N -l')"),
    (r"PartitionDown|PartitionInactive", "the partition takes no jobs at present ('sinfo -s')"),
    (
        r"ReqNodeNotAvail|UnavailableNodes",
        "a node that it needs is down or reserved, often for maintenance: a shorter time may fit",
    ),
    (r"DependencyNeverSatisfied", NEVER + "submit it without the dependency"),
    (r"Dependency", "it waits for another job: the one that builds its environment, or that of --dependency"),
    (r"Assoc.*Limit|AssocGrp|AssocMax", "a limit of your account is reached: it starts when other jobs of the account end"),
    (r"QOS.*Limit|QOSMax|QOSGrp", "a limit of the QOS is reached: it starts when other jobs under it end"),
    (r"JobHeldUser", "it is held: release it with 'scontrol release'"),
    (r"JobHeldAdmin|launch failed requeued held", "it is held by Slurm or an admin: ask your admin"),
    (r"InvalidAccount|InvalidQOS", NEVER + "use an account and a QOS of yours"),
    (r"BeginTime", "it was told to wait, or comes back after a requeue"),
)


def hint(reason: str) -> str:
    """Return what a reason means for the user; empty where there is nothing but to wait (Priority, Resources)."""
    return next((meaning for pattern, meaning in MEANINGS if re.search(pattern, reason)), "")
