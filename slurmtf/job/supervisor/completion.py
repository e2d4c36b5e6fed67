"""Decide when distributed training is over, and how it ended. No clock and no processes: the caller supplies their facts."""

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..contract.attempt.outcome import Cause, End
from ..contract.plan import Distribution, Timings
from ..contract.roles import COORDINATES, Role


class Verdict(NamedTuple):
    """Why a launch is over: the rank whose end decided it (None: no single one), the rule, and the facts."""

    success: bool
    rank: Optional[int]
    cause: Cause = Cause.SCRIPT
    detail: Mapping[str, object] = {}


def are_peers_waiting(verdict: Verdict, distribution: Distribution, roles: Sequence[Role]) -> bool:
    """Return whether a task has failed that the others depend on, so that they can only wait for it.

    In a collective, each task waits for all. Without a parameter server, or the chief that coordinates, nobody continues
    either. Workers of parameter servers do not depend on each other.
    """
    if verdict.success or verdict.rank is None or verdict.cause not in (Cause.SCRIPT, Cause.TASK_LOST):
        return False
    return distribution.backend != "ps" or roles[verdict.rank].role in ("ps", *COORDINATES)


def choose_grace(verdict: Verdict, distribution: Distribution, roles: Sequence[Role], timings: Timings) -> float:
    """Return the seconds between TERM and KILL: fewer if the others only wait for the task that failed."""
    waits = are_peers_waiting(verdict, distribution, roles)
    return min(timings.grace, timings.peer_grace) if waits else timings.grace


class Completion:
    """Watches the ends of tasks.

    Success: the chief (or master) exits with 0; without one, all workers do. Failure: the first task that counts ends in any
    other way. Parameter servers and an evaluator serve the others: they are ended when the others are done (an evaluator after
    some time for its last evaluation), and how they end then does not count. A parameter server that fails earlier ends the
    job, because TensorFlow would wait for it forever; an evaluator does not.
    """

    def __init__(self, roles: Sequence[Role], distribution: Distribution) -> None:
        self._roles = roles
        self._restarts = distribution.restarts
        self._restartable = set(distribution.restartable)
        self._tolerant = distribution.stragglers_succeed
        self._grace_s = distribution.straggler_grace_s
        chiefs = [role.rank for role in roles if role.role in COORDINATES]
        self._deciding = chiefs or [role.rank for role in roles if role.role not in ("ps", "evaluator")]
        self._evaluating = {role.rank for role in roles if role.role == "evaluator"}
        self._evaluator_grace_s = distribution.evaluator_grace_s
        self._done: Dict[int, float] = {}
        self.verdict: Optional[Verdict] = None
        self.decided_at = 0.0

    def decide(self, verdict: Verdict, now: float) -> None:
        """Record that the launch is over, and when: the first verdict counts. Rules other than the ends of tasks decide too."""
        if self.verdict is None:
            self.verdict, self.decided_at = verdict, now

    def on_task_ended(self, rank: int, end: End, now: float) -> bool:
        """Record the end of a task; return whether to restart it. ``now`` in seconds of a monotonic clock."""
        role = self._roles[rank]
        if self.verdict is not None:
            return False
        self._evaluating.discard(rank)
        if not self.waiting:
            self._conclude(now)
        elif end.succeeded:
            self._take_success(rank, now)
        elif role.role in self._restartable and self._restarts > 0:
            self._restarts -= 1
            return True
        elif role.role != "evaluator":
            self.decide(Verdict(False, rank), now)
        return False

    def on_task_lost(self, rank: int, now: float) -> None:
        """Record that a task disappeared without a report: its agent or its node died."""
        self._evaluating.discard(rank)
        if self.waiting and self._roles[rank].role != "evaluator":
            self.decide(Verdict(False, rank, Cause.TASK_LOST), now)

    def tick(self, now: float) -> None:
        """End the launch once the tasks that are still running after the first success have used up their grace time."""
        if self.verdict is not None or not self._done:
            return
        if not self.waiting:
            self._conclude(now)
        elif now - min(self._done.values()) > self._grace_s:
            detail = {"late": [self._roles[rank].label for rank in self.waiting], "grace_s": self._grace_s}
            late = Verdict(False, self.waiting[0], Cause.STRAGGLER, detail)
            self.decide(Verdict(True, None, Cause.SCRIPT, detail) if self._tolerant else late, now)

    @property
    def waiting(self) -> List[int]:
        """The tasks that decide and have not ended."""
        return [rank for rank in self._deciding if rank not in self._done]

    def _take_success(self, rank: int, now: float) -> None:
        if rank in self._deciding:
            self._done[rank] = now
        if not self.waiting:
            self._conclude(now)

    def _conclude(self, now: float) -> None:
        """Record that the training is done: the job is done when its evaluator is, or has used up its time."""
        if not self._evaluating:
            self.decide(Verdict(True, None), now)
        elif now - max(self._done.values()) >= self._evaluator_grace_s:
            late = [self._roles[rank].label for rank in sorted(self._evaluating)]
            detail = {"late": late, "grace_s": self._evaluator_grace_s} if self._evaluator_grace_s else {}
            self.decide(Verdict(True, None, Cause.SCRIPT, detail), now)
