"""Which task has which role, and on which node. The login node and the job share this arithmetic, so they can't disagree."""

from typing import List, NamedTuple, Sequence, Tuple

from .plan import JobPlan

COORDINATES = ("chief", "master")
SERVES = ("ps", "evaluator")


class Role(NamedTuple):
    """The role of one task.

    ``rank`` among all tasks (SLURM_PROCID), ``number`` among those of the same role, ``node`` among the job's nodes.
    """

    rank: int
    role: str
    number: int
    node: int

    @property
    def label(self) -> str:
        """The name of the task in logs: role and number."""
        return "{}-{}".format(self.role, self.number)


def assign_roles(plan: JobPlan) -> List[Role]:
    """Return the roles of all tasks of a plan, by rank."""
    if plan.distribution.cyclic:
        return assign_cyclically(plan.distribution.roles, plan.size.nodes)
    return assign_in_blocks(plan.distribution.roles, plan.size.tasks_per_node)


def assign_in_blocks(counts: Sequence[Tuple[str, int]], tasks_per_node: int) -> List[Role]:
    """Deal ranks node by node, as Slurm's block distribution does."""
    parts = [(role, number) for role, count in counts for number in range(count)]
    return [Role(rank, role, number, rank // tasks_per_node) for rank, (role, number) in enumerate(parts)]


def assign_cyclically(counts: Sequence[Tuple[str, int]], nodes: int) -> List[Role]:
    """Deal each role round-robin over the nodes, from the first node on, so that roles share nodes.

    Slurm's cyclic distribution (srun(1), --distribution) puts rank r on node r mod nodes: a node has room for as many
    tasks as it gets ranks, and a full node is skipped.
    """
    total = sum(count for _, count in counts)
    room = [total // nodes + (node < total % nodes) for node in range(nodes)]
    used = [0] * nodes
    dealt = []
    for role, count in counts:
        node = 0
        for number in range(count):
            while used[node] == room[node]:
                node = (node + 1) % nodes
            dealt.append(Role(node + used[node] * nodes, role, number, node))
            used[node] += 1
            node = (node + 1) % nodes
    return sorted(dealt)


def choose_chief(plan: JobPlan) -> Role:
    """Return the role that represents all: the chief if there is one, else the first task that trains, or rank 0 of MPI."""
    roles = assign_roles(plan)
    chiefs = [role for role in roles if role.role in COORDINATES]
    return [*chiefs, *(role for role in roles if role.role not in SERVES), *roles][0]
