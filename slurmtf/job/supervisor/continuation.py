"""Continue a run after a failure: gather the facts for the decision, carry it out and record it."""

import time
from typing import Optional, Sequence

from ..common import identity
from ..common.files import read_last_lines
from ..contract import life
from ..contract.attempt.job_log import get_size
from ..contract.attempt.journal import Attempt
from ..contract.attempt.outcome import Cause, Outcome
from ..contract.layout import RunLayout
from ..contract.metrics.entries import from_line
from ..contract.plan import JobPlan
from ..contract.roles import choose_chief
from . import restart
from .job import Job
from .restart import Decision, Failure, Possible
from .restarts import Restarts
from .slurm_job import SlurmJob
from .successor import Successor


class Steps:
    """The steps of the metrics that the chief logs in a launch starting now; earlier ones do not count."""

    def __init__(self, plan: JobPlan, layout: RunLayout, folder: str) -> None:
        self._path = layout.launch(folder).task_metrics(choose_chief(plan).label)
        self._begin = get_size(self._path)

    @property
    def last(self) -> Optional[int]:
        """The last step; None if there is none."""
        lines = reversed(read_last_lines(self._path, self._begin))
        entries = (from_line(line.encode("utf-8")) for line in lines)
        return next((entry.step for entry in entries if entry is not None and entry.step is not None), None)


class Continuation:
    """The continuation of one attempt. ``restarts`` decides whether there is one."""

    def __init__(self, job: Job, earlier: Sequence[Attempt]) -> None:
        self._job = job
        name = identity.get_job_name(job.environ) or ""
        self.restarts = Restarts(job, earlier)
        self._slurm = SlurmJob(job.environ, lambda: job.journal.is_followed) if job.plan.can.starts_again else None
        self._successor = Successor(job.plan, job.layout, name, self._slurm if self.restarts.may_launch else None)
        self._began = time.monotonic()
        self._steps = Steps(job.plan, job.layout, "")

    @property
    def goes_on(self) -> bool:
        """Whether the job restarts, so that its end is not the run's."""
        return self._successor.is_itself

    def is_preempted(self) -> bool:
        """Return whether Slurm says that it is preempting this job with a grace time."""
        return self._slurm is not None and self._slurm.is_preempted(self._slurm.ask_facts())

    def on_launch_starting(self, folder: str) -> None:
        """Record that a launch begins: metrics logged earlier do not belong to it."""
        self._steps = Steps(self._job.plan, self._job.layout, folder)

    def decide_restart(self, outcome: Outcome) -> bool:
        """Return whether a failed launch is restarted at once; record the decision."""
        failure = self._build_failure(outcome)
        possible = Possible(launch=True, in_time=not self._job.plan.can.keeps_time)
        decision = self.restarts.decide(failure, possible)
        if decision is None or decision.how != life.LAUNCH:
            return False
        self.restarts.record(decision, failure, self._seconds)
        self._began = time.monotonic()
        return True

    def hand_over(self, cause: Cause, node: str) -> None:
        """Arrange the next attempt while the job is being killed: Slurm leaves little time."""
        if self._successor.is_open:
            self._arrange(Failure(cause, node=node), killed=True)

    def on_attempt_ended(self, outcome: Outcome) -> None:
        """Arrange the next attempt after the job, and record it; or undo what was arranged and is not needed."""
        if outcome.succeeded:
            self._successor.call_off()
            return
        failure = self._build_failure(outcome)
        if self._successor.decision:  # while it was being killed
            self._successor.settle()
        decision = self._successor.decision or self._arrange(failure, killed=False)
        if decision:
            self.restarts.record(decision, failure, self._seconds, self._successor.job)

    def _arrange(self, failure: Failure, killed: bool) -> Optional[Decision]:
        if not self.restarts.may_follow(restart.BUDGET_OF.get(failure.cause, failure.cause)):
            return None
        return self._successor.arrange(lambda possible: self.restarts.decide(failure, possible), killed)

    @property
    def _seconds(self) -> float:
        """How long this attempt has taken, in seconds."""
        return time.monotonic() - self._began

    def _build_failure(self, outcome: Outcome) -> Failure:
        place = restart.describe_place(outcome, self.restarts.memory_mb, self._steps.last)
        node = outcome.host if outcome.cause in (Cause.NODE_FAILURE, Cause.TASK_LOST) else ""
        return Failure(outcome.cause, place, node)
