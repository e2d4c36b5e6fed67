"""What follows a job in Slurm: the job itself again, or a new one that continues the run."""

import contextlib
import json
import os
import time
from typing import Callable, Dict, Mapping, Optional

from ..common.files import read_last_lines
from ..contract import life
from ..contract.attempt.job_log import say
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan
from .restart import Decision, Possible
from .slurm_job import SlurmJob

WHY = "restart"
"""Why the job was submitted, in jobs.jsonl."""

Decide = Callable[[Possible], Optional[Decision]]


class Successor:
    """The successor of the job ``name``. ``slurm`` is None if nothing can follow it.

    ``job`` is the one that was submitted to continue, ``decision`` what was arranged; ``is_itself``: the job itself restarts,
    so that its end is not the run's.
    """

    def __init__(self, plan: JobPlan, layout: RunLayout, name: str, slurm: Optional[SlurmJob]) -> None:
        self._plan = plan
        self._layout = layout
        self._name = name
        self._slurm = slurm
        self.job = ""
        self.decision: Optional[Decision] = None
        self.is_itself = False

    @property
    def is_open(self) -> bool:
        """Whether something can follow the job, but nothing does yet."""
        return self._slurm is not None and not (self.job or self.is_itself)

    def arrange(self, decide: Decide, killed: bool) -> Optional[Decision]:
        """Decide from what is possible, carry out the decision and return it; None if there is none, or the run is canceled.

        ``killed``: Slurm is ending the job, and leaves it little time.
        """
        if self._is_canceled():
            return None
        decision = decide(Possible()) if self._slurm is None else self._arrange_next(self._slurm, decide, killed)
        if decision:
            self.decision = decision
            self.is_itself = decision.how in (life.REQUEUE, life.RETURN)
        return decision

    def settle(self) -> None:
        """Make the jobs that began to wait for this one after its successor was submitted wait for the successor, too."""
        if self._slurm and self.job:
            self._move_followers(self._slurm, self._name, self.job)

    def call_off(self) -> None:
        """Cancel the job that was submitted to continue the run: it is not needed."""
        if self._slurm and self.job:
            self._note_job(self._name)
            self._move_followers(self._slurm, self.job, self._name)
            self._slurm.cancel(self.job)

    def _arrange_next(self, slurm: SlurmJob, decide: Decide, killed: bool) -> Optional[Decision]:
        facts = slurm.ask_facts()
        if self._is_canceled() or facts.get("JobState") == "CANCELLED":
            return None
        decision = decide(_build_possible(slurm, facts, killed))
        if decision and decision.how == life.REQUEUE and slurm.requeue():
            facts = slurm.ask_facts() or facts
            decision = decide(_build_possible(slurm, facts, killed)._replace(requeue=False))
        if decision and decision.how == life.RESUBMIT:
            decision = self._resubmit(slurm, decision, facts)
        if decision and self._is_canceled():
            self._withdraw(slurm, decision)
            return None
        return decision

    def _resubmit(self, slurm: SlurmJob, decision: Decision, facts: Mapping[str, str]) -> Decision:
        """Submit a job that continues the run; if excluding nodes leaves none, exclude none. Return what was done."""
        error = ""
        for exclude in dict.fromkeys([decision.exclude, ()]):
            answer = slurm.resubmit(self._layout.script, facts, exclude, decision.memory_mb)
            if not answer.error:
                self.job = answer.text
                self._note_job(answer.text)
                self._move_followers(slurm, self._name, answer.text)
                return decision._replace(exclude=exclude)
            error = answer.error
        say("can't submit a job to go on: {}".format(error))
        return decision._replace(how=life.END, why=life.NOT_POSSIBLE)

    def _withdraw(self, slurm: SlurmJob, decision: Decision) -> None:
        """Cancel what was arranged while the run was being canceled: that request came too early to include it."""
        if decision.how != life.END:
            slurm.cancel(self.job)
        self.job = ""

    def _move_followers(self, slurm: SlurmJob, was: str, now: str) -> None:
        """Make the jobs that wait for this run's old job wait for its new one, which has been recorded already.

        A submission of a run that follows checks that record once more afterwards: one of the two sees the other (runs/chains).
        """
        error = slurm.move_followers(was, now)
        if error:
            say("jobs that wait for job {} may not wait for job {}: {}".format(was, now, error))

    def _note_job(self, number: str) -> None:
        """Record the run's new job in the way of the job that it follows (submit/record.py)."""
        record = dict(self._read_own_record(), why=WHY, submitted=time.time(), elements=0, first=0, process=None)
        record["ref"] = dict(record["ref"], job_id=number, element=None)  # type: ignore[call-overload]
        with contextlib.suppress(OSError):
            with open(os.open(self._layout.jobs, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                file.write(json.dumps(record).encode("utf-8") + b"\n")

    def _read_own_record(self) -> Dict[str, object]:
        """Return the record of this job, or as much of it as we know."""
        own: Dict[str, object] = {"ref": {"cluster": None}, "scheduler": self._plan.scheduler, "folder": self._layout.folder}
        for line in read_last_lines(self._layout.jobs):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                facts = json.loads(line)
                own = facts if facts["ref"]["job_id"] == self._name else own
        return own

    def _is_canceled(self) -> bool:
        """Return whether slurmtf was asked to cancel this job: it may be ending for another reason at the same time."""
        return self._name in read_last_lines(self._layout.cancel_mark)


def _build_possible(slurm: SlurmJob, facts: Mapping[str, str], killed: bool) -> Possible:
    return Possible(
        requeue=not killed and slurm.may_be_requeued(facts),
        resubmit=slurm.may_submit(),
        returns=slurm.was_requeued(facts),
    )
