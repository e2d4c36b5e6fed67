"""What an allocation launches, one launch after the other, as decided by the plan or a sweep."""

from typing import List, Mapping, Optional

from ..contract.attempt.outcome import Cause, Outcome
from ..contract.plan import JobPlan, LaunchOrder

NOTHING_TO_DO = Outcome(Cause.SCRIPT, exit_code=0)


class Orders:
    """Decides what comes next in an allocation. A subclass can do more than the plan:

        class Trials(Orders):
            def take_next(self, left_s):           # asked at first, and after each launch; None: nothing more
                trial = ledger.take()              # left_s: seconds until the time limit, None: unknown
                if trial is None:
                    return None
                return LaunchOrder(
                    arguments=("--lr", "0.1"),     # behind the command's own
                    variables={"TRIAL": "7"},      # they win over the plan's
                    folder="trials/7",             # in the run's folder: logs/, outputs/, metrics/ and work/ of its own
                    last=False,                    # more may follow: what was staged stays on the nodes
                )
            def decide_call_off(self):             # asked while it runs; facts: it is stopped, with cause called-off
                return {"policy": "bandit"} if ledger.is_hopeless() else None
            def on_launch_ended(self, order, outcome):  # also of a launch that ended with the job: canceled, preempted ...
                ledger.note(order, outcome)
            def conclude(self, last):              # the job's own outcome; last: that of the last launch, None: there was none
                return Outcome(Cause.SCRIPT, exit_code=0)

        Allocation(plan, layout, os.environ, Trials(...)).run(words)

    The script of such a launch has its folder as $SLURMTF_LAUNCH_FOLDER ($SLURMTF_RUN_FOLDER stays the run's), and its working
    directory is <folder>/work, where ``outputs`` and ``logs`` are its own and everything else links to the source. An order's
    ``command``, ``distribution``, ``size`` and ``launcher`` give it another command, other tasks, or another way to start them.
    """

    def take_next(self, left_s: Optional[float]) -> Optional[LaunchOrder]:
        """Return the next launch; None if there is none. ``left_s``: seconds until the time limit; None: unknown."""
        raise NotImplementedError

    def should_wait(self) -> bool:
        """Return whether to ask again in a second after :meth:`next` has returned None."""
        return False

    def on_launch_ended(self, order: LaunchOrder, outcome: Outcome) -> None:
        """Note how a launch ended, even if it was ended from outside and none follows."""

    def decide_call_off(self) -> Optional[Mapping[str, object]]:
        """Return the facts for which to stop the current launch; None if it may continue. Called every second."""
        return None

    def conclude(self, last: Optional[Outcome]) -> Outcome:
        """Return the job's outcome, given that of its last launch (None: there was no launch). If the job is ended from
        outside, that decides instead."""
        raise NotImplementedError


class PlannedOrders(Orders):
    """The launches of the plan, even after one that failed. The first failure is the job's outcome."""

    def __init__(self, plan: JobPlan) -> None:
        self._outcomes: List[Outcome] = []
        last = len(plan.launches) - 1
        self._left = [order._replace(last=number == last) for number, order in enumerate(plan.launches)]

    def take_next(self, left_s: Optional[float]) -> Optional[LaunchOrder]:  # noqa: ARG002
        return self._left.pop(0) if self._left else None

    def on_launch_ended(self, order: LaunchOrder, outcome: Outcome) -> None:  # noqa: ARG002
        self._outcomes.append(outcome)

    def conclude(self, last: Optional[Outcome]) -> Outcome:
        outcomes = self._outcomes + ([last] if last else [])
        return next((outcome for outcome in outcomes if not outcome.succeeded), last or NOTHING_TO_DO)
