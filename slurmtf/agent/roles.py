"""Which task plays which part. The login node and the job share this arithmetic, so they can't disagree."""

from typing import Any, Dict, List, NamedTuple


class Role(NamedTuple):
    """The part of one task: its rank among all tasks, its role, and its number among those of the same role."""

    rank: int
    role: str
    number: int

    @property
    def label(self) -> str:
        """The name of the task in logs: role and number."""
        return "{}-{}".format(self.role, self.number)


def table(plan: Dict[str, Any]) -> List[Role]:
    """Return the roles of all tasks of a plan, by rank."""
    return [Role(rank, "main", rank) for rank in range(plan["resources"]["tasks"])]
