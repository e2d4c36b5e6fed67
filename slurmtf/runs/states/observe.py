"""Query schedulers about the jobs of many runs: at most two Slurm calls for each cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slurmtf.errors import SlurmError
from slurmtf.scheduler import Observation, SubmittedJob, by_scheduler
from slurmtf.scheduler.base import RECORD_LAG_S

OUTAGE_S = 3600
"""Seconds after an end for which accounting that does not answer is asked again: each look waits for it."""


@dataclass(frozen=True)
class Answer:
    """What a scheduler says of a job; ``seen`` is None where it knows none of that number that works in the job's folder.

    ``error``: it could not be asked. ``lags``: a job that was just submitted may not be known to it yet. ``outdated``: it is
    older than what the run's folder tells.
    """

    seen: Observation | None = None
    error: str = ""
    lags: bool = True
    outdated: bool = False

    @property
    def over(self) -> bool:
        """Whether the scheduler says that the job has ended, or does not know it."""
        return not self.error and (self.seen is None or self.seen.state.final)

    def says_all(self, ended_s_ago: float) -> bool:
        """Return whether the scheduler says that the job has ended, and will say no more of it: its accounting lags by seconds,
        or may not have answered."""
        patience = OUTAGE_S if self.seen and self.seen.untold else RECORD_LAG_S
        return self.over and not self.outdated and not (self.lags and ended_s_ago < patience)


def observe(jobs: Iterable[SubmittedJob], max_age_s: float = 0.0) -> dict[SubmittedJob, Answer]:
    """Query jobs, each scheduler once; accept what it told another process of the user up to ``max_age_s`` ago."""
    answers: dict[SubmittedJob, Answer] = {}
    for scheduler, several in by_scheduler(jobs):
        try:
            seen = scheduler.observe(several, max_age_s)
        except SlurmError as err:
            answers.update(dict.fromkeys(several, Answer(error=err.findings[0].what)))
            continue
        answers.update({job: Answer(seen.get(job), lags=scheduler.queues) for job in several})
    return answers
