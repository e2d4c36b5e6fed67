"""Give notice of an end that is known in advance, to the journal and to the script."""

from typing import Callable, Optional

from ..contract.attempt import events
from ..contract.attempt.outcome import Cause
from .job import Job
from .time_limit import TimeLimit, choose_leave, compute_left_for_script, is_notice_due, is_over


class Notices:
    """Each notice is given once.

    ``given``: the end that the script was notified of. ``goes_on``: the run continues after its time limit; ``is_preempted``
    asks Slurm whether the job is being preempted.
    """

    def __init__(self, job: Job, goes_on: bool, is_preempted: Callable[[], bool]) -> None:
        self._job = job
        self._leave_s = choose_leave(job.plan, goes_on)
        self._is_preempted = is_preempted
        self._limit = TimeLimit(job.plan, job.environ)
        self.given: Optional[Cause] = None

    @property
    def left(self) -> Optional[float]:
        """Seconds until the time limit; None if none is known."""
        return self._limit.left

    @property
    def left_for_script(self) -> Optional[float]:
        """For how many seconds a notified script may continue; None if that is not known."""
        return compute_left_for_script(self.given, self.left, self._leave_s)

    @property
    def is_over(self) -> bool:
        """Whether the tasks must be ended for the time limit."""
        return is_over(self.left, self._job.plan.can.keeps_time, self._leave_s)

    def on_signal(self) -> bool:
        """Act on Slurm's warning, of the time limit or of a preemption (slurm.conf(5), preempt_send_user_signal); return
        whether to notify the script now."""
        if self._limit.explains_signal:
            self._warn()
        if self.given or not self._job.plan.notice.before:
            return False
        cause = self._limit.find_announced(self._is_preempted)
        return cause is not None and self._give(cause)

    def tick(self) -> bool:
        """Warn when the time limit is near; return whether to notify the script now."""
        if self._limit.is_near:
            self._warn()
        due = is_notice_due(self.left, self._job.plan.notice.before, self._leave_s)
        return due and not self.given and self._give(Cause.TIME_LIMIT)

    def begin_anew(self, with_limit: bool) -> None:
        """Forget the notice of an end that has come and was that of one attempt, and its time limit if that was the end."""
        self.given = None
        if with_limit:
            self._limit = TimeLimit(self._job.plan, self._job.environ)

    def _give(self, cause: Cause) -> bool:
        self.given = cause
        left = self.left_for_script
        self._job.journal.write(events.Noticed(cause.value, None if left is None else round(left)))
        return True

    def _warn(self) -> None:
        if self._limit.warn_once():
            self._job.journal.write(events.TimeWarning(None if self.left is None else round(self.left)))
