"""Describe who is where: the cluster, the tasks of a node, Horovod's ranks. Pure."""

from typing import Dict, List, Mapping, Sequence, Tuple

from ..contract import variables as var
from ..contract.roles import Role

Cluster = Dict[str, List[str]]


def build(roles: Sequence[Role], addresses: Mapping[int, str]) -> Cluster:
    """Return a mapping from role to addresses, in the order of their indices.

    An evaluator is not part of the cluster, and a role without tasks is left out: TensorFlow crashes on an empty list.
    """
    found: Cluster = {}
    for role in sorted(roles, key=lambda role: role.number):
        if role.role != "evaluator":
            found.setdefault(role.role, []).append(addresses[role.rank])
    return found


def compute_places(hosts: Mapping[int, str]) -> Dict[int, Tuple[int, int]]:
    """Return for each rank its position among the tasks of its node, and the number of these."""
    by_host: Dict[str, List[int]] = {}
    for rank in sorted(hosts):
        by_host.setdefault(hosts[rank], []).append(rank)
    return {rank: (turn, len(ranks)) for ranks in by_host.values() for turn, rank in enumerate(ranks)}


def compute_horovod_ranks(roles: Sequence[Role], hosts: Mapping[int, str]) -> Dict[int, Dict[str, object]]:
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
