"""What the supervisor knows of the nodes' own disks: who is ready to start, and whose results have come back."""

from typing import Any, Dict, List, Mapping, Set

from ..common import wire
from ..contract.journal import Journal
from ..staging import staging


class Disks:
    """Of all nodes of a job of ``world_size`` tasks."""

    def __init__(self, plan: Mapping[str, Any], journal: Journal, world_size: int) -> None:
        self.are_used = staging.is_needed(plan)
        self._return = staging.returns(plan)
        self._journal = journal
        self._world_size = world_size
        self._ready: Set[int] = set()
        self._staged: Set[str] = set()
        self._returned: Dict[str, List[str]] = {}

    def ready(self, rank: int, host: str, message: wire.Message) -> bool:
        """Take in that a task has all that it needs; tell whether all have. What it took is noted once for each node."""
        self._ready.add(rank)
        if host not in self._staged:
            self._staged.add(host)
            facts = {name: message.get(name) for name in ("seconds", "phases", "warnings")}
            self._journal.write("staged", host=host, **facts)
        return len(self._ready) == self._world_size

    def returned(self, message: wire.Message) -> None:
        """Take in what came of copying results back from a node."""
        facts = {name: message.get(name) or [] for name in ("phases", "beside", "failed")}
        host = str(message.get("host"))
        self._returned[host] = facts["failed"]
        self._journal.write("returned", host=host, **facts)

    @property
    def awaited(self) -> List[str]:
        """The nodes whose results are still to come."""
        return sorted(self._staged - set(self._returned)) if self._return else []

    def lost(self) -> str:
        """Say which results have not come back; empty: all have, or there were none to come."""
        found = ["all those of {}: its last task ended without a word".format(host) for host in self.awaited]
        found += [trouble for host in sorted(self._returned) for trouble in self._returned[host]]
        more = " (and {} more)".format(len(found) - 1) if found[1:] else ""
        return "results have not been copied back: {}{}".format(found[0], more) if found else ""
