"""How a run continues after a failure: gathers the facts for the decision, carries the decision out and records it."""

import contextlib
import json
import os
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..common import identity
from ..contract import events, life, metrics
from ..contract.job_log import say, size_of
from ..contract.journal import Attempt, Journal
from ..contract.layout import RunLayout
from ..contract.outcome import Cause, Outcome
from ..contract.plan import JobPlan
from ..contract.roles import chief
from . import restart
from .restart import Decision, Failure, Possible
from .slurm_job import SlurmJob

WHY = "restart"
"""Why there is a job, in jobs.jsonl."""
TAIL_BYTES = 1 << 16


class Continuation:
    """Of one attempt. A sweep's elements go on by their own rules: for them this decides nothing."""

    def __init__(
        self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], journal: Journal, earlier: Sequence[Attempt]
    ) -> None:
        self._plan = plan
        self._layout = layout
        self._journal = journal
        self._name = identity.job_name(environ) or ""
        self._budgets = () if plan.sweep else plan.restarts
        self._job = SlurmJob(environ) if plan.can.starts_again else None
        self._slurm = self._job if self._budgets else None
        self._history = restart.history_of(earlier, self._name) if self._name else []
        self._requeued = restart.was_requeued(earlier, self._name)
        self._last = earlier[-1].outcome if earlier else None
        self._arranged: Optional[Decision] = None
        self._submitted = ""
        self._returns = False
        self._metrics_begin = 0

    @property
    def number(self) -> int:
        """Which attempt of the run this is, from 1."""
        return len(self._history) + 1

    @property
    def at_most(self) -> Optional[int]:
        """How many attempts of the run there may be; None: no bound, or none of ours."""
        return restart.at_most(self._history, self._budgets)

    @property
    def may_launch(self) -> bool:
        """Whether another launch may come after one that failed."""
        return bool(self._budgets)

    def may_follow(self, cause: Cause) -> bool:
        """Tell whether the user has said how often the run starts again after a cause."""
        return any(budget.cause == cause.value for budget in self._budgets)

    @property
    def goes_on(self) -> bool:
        """Whether the job starts again, so that its end is none of the run."""
        return self._returns

    def is_preempted(self) -> bool:
        """Tell whether Slurm says that it takes the nodes away from this job, and leaves it some time."""
        return self._job is not None and self._job.is_preempted(self._job.facts())

    def refusal(self) -> Optional[Outcome]:
        """Return the outcome of a run that Slurm has started once too often; None: it may go on."""
        if not (self._requeued and self._history):
            return None
        decision = self._decided(self._history[:-1], self._history[-1], Possible(returns=True))
        if decision is None or decision.how != life.END:
            return None
        self._write(decision, self._history[-1], 0.0)
        return self._last or Outcome(self._history[-1].cause)

    def begins(self, folder: str) -> None:
        """Note that a launch begins: what was logged before does not belong to it."""
        self._metrics_begin = size_of(self._metrics(folder))

    def in_allocation(self, outcome: Outcome, folder: str, seconds: float) -> bool:
        """Tell whether a launch that failed is started again at once; write that down."""
        failure = self._failure(outcome, folder)
        possible = Possible(launch=True, in_time=not self._plan.can.keeps_time)
        decision = self._decided(self._history, failure, possible)
        if decision is None or decision.how != life.LAUNCH:
            return False
        self._write(decision, failure, seconds)
        return True

    def hand_over(self, cause: Cause, node: str) -> None:
        """Arrange what comes next while the job is being killed: Slurm leaves it little time."""
        if self._slurm and not (self._submitted or self._returns):
            self._go_on(Failure(cause, node=node), killed=True)

    def after(self, outcome: Outcome, seconds: float) -> None:
        """Arrange what comes after the job, and write it down; or call off what was arranged and is not needed."""
        if outcome.succeeded:
            self._call_off()
        elif self._arranged:
            self._write(self._arranged, self._failure(outcome, ""), seconds, self._submitted)
        else:
            failure = self._failure(outcome, "")
            decision = self._go_on(failure, killed=False)
            if decision:
                self._write(decision, failure, seconds, self._submitted)

    def _call_off(self) -> None:
        if self._slurm and self._submitted:
            self._note_job(self._name)
            self._move_followers(self._slurm, self._submitted, self._name)
            self._slurm.cancel(self._submitted)

    def _move_followers(self, slurm: SlurmJob, was: str, now: str) -> None:
        """Have those that wait for this run, by its job, wait for the job that it is now, which is written down already.

        Who submits one that follows looks there once more after that: one of the two sees the other (runs/chains.py).
        """
        error = slurm.move_followers(was, now)
        if error:
            say("jobs that wait for job {} may not wait for job {}: {}".format(was, now, error))

    def _go_on(self, failure: Failure, killed: bool) -> Optional[Decision]:
        """Do what is decided; return it."""
        if not self.may_follow(restart.BUDGET_OF.get(failure.cause, failure.cause)) or self._is_canceled():
            return None
        facts = self._slurm.facts() if self._slurm else {}
        if self._is_canceled() or facts.get("JobState") == "CANCELLED":
            return None
        decision = self._decided(self._history, failure, self._possible(facts, killed))
        if decision and decision.how == life.REQUEUE and self._slurm and self._slurm.requeue():
            facts = self._slurm.facts() or facts
            possible = self._possible(facts, killed)._replace(requeue=False)
            decision = self._decided(self._history, failure, possible)
        if decision and decision.how == life.RESUBMIT and self._slurm:
            decision = self._resubmitted(self._slurm, decision, facts)
        if decision and self._slurm and self._is_canceled():
            self._withdraw(self._slurm, decision)
            return None
        if decision:
            self._arranged = decision
            self._returns = decision.how in (life.REQUEUE, life.RETURN)
        return decision

    def _withdraw(self, slurm: SlurmJob, decision: Decision) -> None:
        """Cancel what was arranged while somebody was canceling the run: their order came too early to include it."""
        if decision.how != life.END:
            slurm.cancel(self._submitted)
        self._submitted = ""

    def _possible(self, facts: Mapping[str, str], killed: bool) -> Possible:
        if self._slurm is None:
            return Possible()
        return Possible(
            requeue=not killed and self._slurm.may_be_requeued(facts),
            resubmit=self._slurm.may_submit(),
            returns=self._slurm.returns(facts),
        )

    def _resubmitted(self, slurm: SlurmJob, decision: Decision, facts: Mapping[str, str]) -> Decision:
        """Submit a job that goes on; where its excluded nodes leave none, without them. Return what came of it."""
        error = ""
        for exclude in dict.fromkeys([decision.exclude, ()]):
            said = slurm.resubmit(self._layout.script, facts, exclude, decision.memory_mb)
            if not said.error:
                self._submitted = said.text
                self._note_job(said.text)
                self._move_followers(slurm, self._name, said.text)
                return decision._replace(exclude=exclude)
            error = said.error
        say("can't submit a job to go on: {}".format(error))
        return decision._replace(how=life.END, why=life.NOT_POSSIBLE)

    def _note_job(self, number: str) -> None:
        """Write down the job that the run is now, as the one that it follows was written down (submit/record.py)."""
        own: Dict[str, Any] = {"ref": {"cluster": None}, "scheduler": self._plan.scheduler, "folder": self._layout.folder}
        for line in _lines(self._layout.jobs):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                facts = json.loads(line)
                own = facts if facts["ref"]["job_id"] == self._name else own
        ref = dict(own["ref"], job_id=number, element=None)
        record = dict(own, ref=ref, submitted=time.time(), why=WHY, elements=0, first=0, process=None)
        with contextlib.suppress(OSError):
            with open(os.open(self._layout.jobs, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                file.write(json.dumps(record).encode("utf-8") + b"\n")

    def _is_canceled(self) -> bool:
        """Tell whether slurmtf was asked to cancel this job: it may be ending for another reason at the same time."""
        return self._name in _lines(self._layout.cancel_mark)

    def _failure(self, outcome: Outcome, folder: str) -> Failure:
        memory = next((one.memory_mb for one in reversed(self._history) if one.memory_mb), self._plan.size.memory_mb)
        place = restart.place_of(outcome, memory, self._last_step(folder))
        node = outcome.host if outcome.cause in (Cause.NODE_FAILURE, Cause.TASK_LOST) else ""
        return Failure(outcome.cause, place, node)

    def _last_step(self, folder: str) -> Optional[int]:
        """Return the last step of which the chief has logged a metric in this launch."""
        lines = _lines(self._metrics(folder), self._metrics_begin)
        entries = (metrics.from_line(line.encode("utf-8")) for line in reversed(lines))
        return next((entry.step for entry in entries if entry is not None and entry.step is not None), None)

    def _metrics(self, folder: str) -> str:
        return self._layout.launch(folder).task_metrics(chief(self._plan).label)

    def _decided(self, history: Sequence[Failure], failure: Failure, possible: Possible) -> Optional[Decision]:
        if self._journal.is_followed:  # whatever we did to the job, we would do to that attempt
            return None
        return restart.decide(history, failure, self._budgets, possible, self._plan.size.memory_mb)

    def _write(self, decision: Decision, failure: Failure, seconds: float, job: str = "") -> None:
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


def _lines(path: str, begin: int = 0) -> List[str]:
    """Return the last lines of a file, of what stands from ``begin`` on; none where it can't be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(begin, os.path.getsize(path) - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
