"""The messages to the tasks of a launch: to start, to stop, that their end is near, and whether to restart an ended script."""

from typing import Mapping, Optional

from ..common import wire
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import assign_roles
from . import start
from .joining import Joining
from .rendezvous import Rendezvous


class Instructions:
    """The instructions of one launch. ``plan`` is the plan with its tasks."""

    def __init__(self, plan: JobPlan, order: LaunchOrder, rendezvous: Rendezvous, joining: Joining) -> None:
        self._plan = plan
        self._order = order
        self._rendezvous = rendezvous
        self._joining = joining
        self._keeps = not order.last
        self._notice: Optional[wire.Message] = None
        self._stop: Optional[wire.Message] = None

    @property
    def stopping(self) -> bool:
        """Whether the tasks have been told to stop."""
        return self._stop is not None

    @property
    def grace_s(self) -> float:
        """The seconds that the tasks were given to stop; 0 if they have not been told to."""
        return float(self._stop["grace"]) if self._stop else 0.0

    def start(self, hellos: Mapping[int, start.Hello]) -> None:
        """Send each task the cluster and its place in it, now that all have connected."""
        distribution, roles = self._plan.distribution, assign_roles(self._plan)
        self._rendezvous.tell_all({"nodes": start.list_nodes(hellos)})
        if distribution.cluster:
            self._rendezvous.tell_all({"cluster": start.build_cluster(roles, hellos)})  # encoded once
        orders = start.build_start_orders(
            distribution, roles, hellos, self._order, self._joining.build_variables(roles, hellos)
        )
        for rank in self._rendezvous.present:
            self._rendezvous.tell(rank, orders[rank])
        if self._notice:
            self._rendezvous.tell_all(self._notice)

    def stop_latecomer(self, rank: int) -> None:
        """Tell a task to stop if it connects after the others were told to."""
        if self._stop:
            self._rendezvous.tell(rank, self._stop)

    def notify(self, cause: str, left_s: Optional[float]) -> None:
        """Notify all tasks that they will be ended, including those that have not connected yet."""
        self._notice = {"order": "notice", "why": cause, "left": left_s}
        self._rendezvous.tell_all(self._notice)

    def ask_for_stacks(self) -> None:
        """Have each task record the stacks of its script."""
        self._rendezvous.tell_all({"order": "stacks"})

    def stop(self, grace_s: float, killed: bool) -> None:
        """Have all tasks end their scripts. ``killed``: somebody else sends them TERM too."""
        self._stop = {"order": "stop", "grace": grace_s, "killed": killed, "keep": self._keeps}
        self._rendezvous.tell_all(self._stop)

    def keep_nothing(self) -> None:
        """Have the tasks leave nothing on the nodes' disks: no other launch follows."""
        self._keeps = False

    def answer_task_end(self, rank: int, again: bool) -> None:
        """Tell a task whose script has ended whether to restart it."""
        self._rendezvous.tell(rank, {"order": "restart" if again else "leave", "keep": self._keeps})
