"""The cluster as TensorFlow reads it: TF_CONFIG (tensorflow.org, "Distributed training with TensorFlow")."""

import json
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..contract import variables as var
from ..contract.roles import Role

LONGEST_VARIABLE = 128 * 1024 - 1
"""Bytes of one environment string, with its name and closing NUL (Linux, MAX_ARG_STRLEN: execve(2))."""

Cluster = Dict[str, List[str]]


def build(roles: Sequence[Role], addresses: Mapping[int, str]) -> Cluster:
    """Return role to addresses, in the order of their numbers.

    An evaluator is no part of the cluster, and a role without tasks is left out: TensorFlow crashes on an empty list.
    """
    found: Cluster = {}
    for role in sorted(roles, key=lambda role: role.number):
        if role.role != "evaluator":
            found.setdefault(role.role, []).append(addresses[role.rank])
    return found


def tf_config(cluster: Cluster, role: Role) -> str:
    """Return the value of TF_CONFIG for one task."""
    task = {"type": role.role, "index": role.number}
    return json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})


def fits(name: str, value: str) -> bool:
    """Tell whether Linux takes an environment variable of this length."""
    return len(name) + 1 + len(value.encode("utf-8")) <= LONGEST_VARIABLE


def host_variables(cluster: Cluster) -> Dict[str, str]:
    """Return the hosts of each role as one variable, for scripts that take their cluster by flags."""
    return {"SLURMTF_{}_HOSTS".format(role.upper()): ",".join(hosts) for role, hosts in cluster.items()}


def cluster_variable(cluster: Cluster) -> Dict[str, str]:
    """Return the cluster alone as JSON, for scripts that take a cluster specification; nothing where there is none."""
    return {var.SLURMTF_CLUSTER: json.dumps(cluster)} if cluster else {}


def places(hosts: Mapping[int, str]) -> Dict[int, Tuple[int, int]]:
    """Return for each rank its turn among the tasks of its node, and how many these are."""
    by_host: Dict[str, List[int]] = {}
    for rank in sorted(hosts):
        by_host.setdefault(hosts[rank], []).append(rank)
    return {rank: (turn, len(ranks)) for ranks in by_host.values() for turn, rank in enumerate(ranks)}


def horovod_ranks(roles: Sequence[Role], hosts: Mapping[int, str]) -> Dict[int, Dict[str, Any]]:
    """Return Horovod's own variables for each rank, as its launcher would set them for Gloo."""
    members: Dict[str, List[int]] = {}
    for role in roles:
        members.setdefault(hosts[role.rank], []).append(role.rank)
    names = list(members)
    found = {}
    for name, ranks in members.items():
        for local, rank in enumerate(ranks):
            across = [host for host in names if len(members[host]) > local]
            found[rank] = {
                var.HOROVOD_RANK: rank,
                var.HOROVOD_SIZE: len(roles),
                var.HOROVOD_LOCAL_RANK: local,
                var.HOROVOD_LOCAL_SIZE: len(ranks),
                var.HOROVOD_CROSS_RANK: across.index(name),
                var.HOROVOD_CROSS_SIZE: len(across),
                var.HOROVOD_HOSTNAME: name,
            }
    return found
