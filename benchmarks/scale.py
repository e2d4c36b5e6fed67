"""How the cost of planning (role table, cluster, TF_CONFIG) grows with the tasks, and the cost of a list with the runs.

    python -m benchmarks.scale

Rivals: ``json.dumps`` of a list of as many addresses, the least that any launcher must do to announce a cluster; ``find`` for
the journals of as many runs, the least that any list that looks at each run must do.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.measure import format_ms, format_ratio, measure_action, measure_command, report
from benchmarks.runs import FIRST_JOB, write_runs
from slurmtf.job.contract.roles import assign_cyclically
from slurmtf.job.contract.variables import LONGEST_VARIABLE
from slurmtf.job.supervisor import cluster
from slurmtf.job.task.tf_config import build_tf_config

TASKS_PER_NODE = 8
LISTS = ("ls", "ls --status failed --since 7d", "ls --tag stage=final", "ls -n 0")
SETTLED_S = 3.0
"""The index leaves out runs that were written more recently."""


def compute_tf_config_length(tasks: int) -> int:
    """Place the tasks, build the cluster and return the length of a TF_CONFIG."""
    nodes = -(-tasks // TASKS_PER_NODE)
    servers = max(1, tasks // 100)
    roles = assign_cyclically([("ps", servers), ("worker", tasks - servers)] if tasks > 1 else [("worker", 1)], nodes)
    addresses = {role.rank: f"node{role.node:04d}:{20000 + role.rank % TASKS_PER_NODE}" for role in roles}
    return len(build_tf_config(cluster.build(roles, addresses), roles[-1]))


def main() -> None:
    measure_planning()
    with tempfile.TemporaryDirectory() as folder:
        measure_lists(Path(folder))


def measure_lists(folder: Path, count: int = 5000) -> None:
    """Time lists of runs that have ended: without an index, and with one."""
    write_runs(folder / "runs", count)
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(folder / "runs"), "XDG_CACHE_HOME": str(folder / "cache")}
    slurmtf = str(Path(sys.executable).with_name("slurmtf"))
    least = measure_command("find", str(folder / "runs"), "-name", "*.jsonl")
    time.sleep(SETTLED_S)
    first = measure_command(slurmtf, "ls", "-n", "0", times=1, env=environ)
    rows = [
        ("command", "time", "above --help"),
        ("find", format_ms(least), ""),
        ("ls -n 0, no index yet", format_ms(first), ""),
    ]
    bare = measure_command(slurmtf, "--help", env=environ)
    for words in (*LISTS, f"status {FIRST_JOB + count // 10}"):
        taken = measure_command(slurmtf, *words.split(), env=environ)
        rows.append((words, format_ms(taken), format_ms(taken - bare)))
    report(f"Lists of {count:,} runs (budget: 300 ms)", rows)


def measure_planning() -> None:
    rows = [("tasks", "place and tell", "json.dumps", "ratio", "TF_CONFIG", "as a variable")]
    for tasks in (1, 10, 100, 1000, 10_000):
        hosts = [f"node{rank // TASKS_PER_NODE:04d}:{20000 + rank % TASKS_PER_NODE}" for rank in range(tasks)]
        own, least = measure_action(partial(compute_tf_config_length, tasks)), measure_action(partial(json.dumps, hosts))
        length = compute_tf_config_length(tasks)
        fits = "yes" if length < LONGEST_VARIABLE else "no, by file"
        rows.append(
            (f"{tasks:,}", format_ms(own), format_ms(least), format_ratio(own, least), f"{length / 1024:.1f} KiB", fits)
        )
    report("Scale (budget: 1 s for 10,000 tasks)", rows)


if __name__ == "__main__":
    main()
