"""How the cost of planning grows with the number of tasks: role table, cluster, TF_CONFIG.

    python -m benchmarks.scale

Rival: ``json.dumps`` of a list of as many addresses, the least that any launcher must do to tell a cluster.
"""

from __future__ import annotations

import json

from benchmarks.measure import ms, report, seconds, times
from slurmtf.job.common import cluster
from slurmtf.job.contract.roles import cyclic

TASKS_PER_NODE = 8


def tell(tasks: int) -> int:
    """Place the tasks, build the cluster and return the length of a TF_CONFIG."""
    nodes = -(-tasks // TASKS_PER_NODE)
    servers = max(1, tasks // 100)
    roles = cyclic([("ps", servers), ("worker", tasks - servers)] if tasks > 1 else [("worker", 1)], nodes)
    addresses = {role.rank: f"node{role.node:04d}:{20000 + role.rank % TASKS_PER_NODE}" for role in roles}
    return len(cluster.tf_config(cluster.build(roles, addresses), roles[-1]))


def main() -> None:
    rows = [("tasks", "place and tell", "json.dumps", "ratio", "TF_CONFIG", "as a variable")]
    for tasks in (1, 10, 100, 1000, 10_000):
        hosts = [f"node{rank // TASKS_PER_NODE:04d}:{20000 + rank % TASKS_PER_NODE}" for rank in range(tasks)]
        own, least = seconds(lambda tasks=tasks: tell(tasks)), seconds(lambda hosts=hosts: json.dumps(hosts))
        length = tell(tasks)
        fits = "yes" if length < cluster.LONGEST_VARIABLE else "no, by file"
        rows.append((f"{tasks:,}", ms(own), ms(least), times(own, least), f"{length / 1024:.1f} KiB", fits))
    report("Scale (budget: 1 s for 10,000 tasks)", rows)


if __name__ == "__main__":
    main()
