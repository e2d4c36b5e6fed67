"""What the supervisor knows about the nodes' own disks: which tasks are ready to start, and whose results have come back."""

from typing import Dict, List, Optional, Set

from ..common import wire
from ..contract.attempt import events
from ..contract.attempt.journal import Journal
from ..contract.plan import JobPlan


class Disks:
    """The disks of all nodes of a job with ``world_size`` tasks."""

    def __init__(self, plan: JobPlan, journal: Journal, world_size: int) -> None:
        self.are_used = plan.uses_disks
        self._return = plan.returns_results
        self._journal = journal
        self._world_size = world_size
        self._ready: Set[int] = set()
        self._staged: Set[str] = set()
        self._returned: Dict[str, List[str]] = {}

    def on_task_ready(self, rank: int, host: str, message: wire.Message) -> bool:
        """Record that a task has everything it needs; return whether all have. The staging of each node is recorded once."""
        self._ready.add(rank)
        is_new = host not in self._staged
        self._staged.add(host)
        if is_new and not message.get("kept"):
            seconds, phases = message.get("seconds") or 0.0, message.get("phases") or {}
            self._journal.write(events.Staged(host, seconds, phases, tuple(message.get("warnings") or ())))
        return len(self._ready) == self._world_size

    def on_results_returned(self, message: wire.Message) -> None:
        """Record the result of copying results back from a node."""
        host, failed = str(message.get("host")), list(message.get("failed") or ())
        self._returned[host] = failed
        beside = tuple(message.get("beside") or ())
        self._journal.write(events.Returned(host, message.get("phases") or {}, beside, tuple(failed)))

    @property
    def awaited(self) -> List[str]:
        """The nodes whose results are still to come."""
        return sorted(self._staged - set(self._returned)) if self._return else []

    def find_missing(self) -> Optional[Dict[str, List[str]]]:
        """Return the hosts whose results never came, and what could not be copied; None if nothing is missing."""
        failed = [trouble for host in sorted(self._returned) for trouble in self._returned[host]]
        return {"hosts": self.awaited, "failed": failed} if failed or self.awaited else None
