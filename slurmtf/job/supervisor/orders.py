"""What an allocation launches, one launch after the other. Decided by who holds the orders: the plan, or a sweep."""

from typing import Any, Dict, List, Optional

from ..contract.outcome import Cause, Outcome
from ..contract.plan import JobPlan, LaunchOrder

NOTHING_TO_DO = Outcome(Cause.SCRIPT, exit_code=0)


class Orders:
    """Decides what comes next in an allocation. To be subclassed: see :class:`.allocation.Allocation`."""

    def next(self, left_s: Optional[float]) -> Optional[LaunchOrder]:
        """Return the next launch; None: nothing more. ``left_s``: until the time limit; None: none is known of."""
        raise NotImplementedError

    def waits(self) -> bool:
        """Tell whether to ask again in a second, where :meth:`next` has returned None."""
        return False

    def ended(self, order: LaunchOrder, outcome: Outcome) -> None:
        """Take in how a launch ended; also one that was ended from outside, after which none follows."""

    def call_off(self) -> Optional[Dict[str, Any]]:
        """Return the facts for which the launch that runs just now is to be stopped; None: it may go on. Asked every second."""
        return None

    def conclude(self, last: Optional[Outcome]) -> Outcome:
        """Return the job's outcome, if its last launch ends so; None: there was none. What ends a job from outside decides
        itself."""
        raise NotImplementedError


class PlannedOrders(Orders):
    """The launches of the plan, also those after one that failed. The first failure is the job's."""

    def __init__(self, plan: JobPlan) -> None:
        self._outcomes: List[Outcome] = []
        last = len(plan.launches) - 1
        self._left = [order._replace(last=number == last) for number, order in enumerate(plan.launches)]

    def next(self, left_s: Optional[float]) -> Optional[LaunchOrder]:  # noqa: ARG002
        return self._left.pop(0) if self._left else None

    def ended(self, order: LaunchOrder, outcome: Outcome) -> None:  # noqa: ARG002
        self._outcomes.append(outcome)

    def conclude(self, last: Optional[Outcome]) -> Outcome:
        outcomes = self._outcomes + ([last] if last else [])
        return next((outcome for outcome in outcomes if not outcome.succeeded), last or NOTHING_TO_DO)
