"""The restarts of a run, within the user's budgets: what was decided earlier, and what is decided now."""

from typing import Optional, Sequence

from ..common import identity
from ..contract import life
from ..contract.attempt import events
from ..contract.attempt.journal import Attempt
from ..contract.attempt.outcome import Cause, Outcome
from . import restart
from .job import Job
from .restart import Decision, Failure, Possible


class Restarts:
    """The restarts up to the attempt of a job that begins now, after ``earlier`` ones. A sweep's elements have rules of their
    own: for them this decides nothing."""

    def __init__(self, job: Job, earlier: Sequence[Attempt]) -> None:
        self._memory_mb = job.plan.size.memory_mb
        self._journal = job.journal
        self._earlier = earlier
        self._name = identity.get_job_name(job.environ) or ""
        self._is_requeued = identity.count_requeues(job.environ) > 0
        self._budgets = () if job.plan.sweep else job.plan.restarts
        self._history = restart.list_failures(earlier, self._name) if self._name else []

    @property
    def number(self) -> int:
        """The number of this attempt of the run, from 1."""
        return len(self._history) + 1

    @property
    def at_most(self) -> Optional[int]:
        """How many attempts of the run there may be; None if unlimited, or not up to us."""
        return restart.count_allowed_attempts(self._history, self._budgets)

    @property
    def may_launch(self) -> bool:
        """Whether another launch may follow a failed one."""
        return bool(self._budgets)

    def may_follow(self, cause: Cause) -> bool:
        """Return whether the user has set a restart budget for a cause."""
        return any(budget.cause == cause.value for budget in self._budgets)

    @property
    def memory_mb(self) -> int:
        """The memory of the run's last attempt, by the decisions before it."""
        return next((one.memory_mb for one in reversed(self._history) if one.memory_mb), self._memory_mb)

    def find_known_outcome(self) -> Optional[Outcome]:
        """Return the outcome of a job that has nothing to do; None if it has work.

        It may have succeeded already, in an attempt whose end Slurm missed; or Slurm may have started it once more than the
        budget allows.
        """
        again = self._is_requeued or self._history or restart.is_successor(self._earlier, self._name)
        done = restart.find_success(self._earlier, self._name) if self._name and again else None
        return done or self._refuse_requeue()

    def _refuse_requeue(self) -> Optional[Outcome]:
        if not (self._history and restart.was_requeued(self._earlier, self._name)):
            return None
        decision = self._decide(self._history[:-1], self._history[-1], Possible(returns=True))
        if decision is None or decision.how != life.END:
            return None
        self.record(decision, self._history[-1], 0.0)
        return self._earlier[-1].outcome or Outcome(self._history[-1].cause)

    def decide(self, failure: Failure, possible: Possible) -> Optional[Decision]:
        """Return what follows a failure; None if nothing is up to us."""
        return self._decide(self._history, failure, possible)

    def record(self, decision: Decision, failure: Failure, seconds: float, job: str = "") -> None:
        """Record a decision. ``seconds``: how long the attempt has taken; ``job``: the one that was submitted to continue."""
        self._journal.write(
            events.Restart(
                decision.how,
                decision.why,
                failure.cause.value,
                failure.place,
                decision.exclude,
                decision.memory_mb,
                decision.number,
                decision.at_most,
                round(seconds, 3),
                job,
            )
        )
        if decision.how != life.END:
            self._history.append(Failure(failure.cause, failure.place, "", decision.exclude, decision.memory_mb))

    def _decide(self, history: Sequence[Failure], failure: Failure, possible: Possible) -> Optional[Decision]:
        if self._journal.is_followed:  # what we did to the job would affect that attempt
            return None
        return restart.decide(history, failure, self._budgets, possible, self._memory_mb)
