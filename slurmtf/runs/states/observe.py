"""Query schedulers about the jobs of many runs: at most two Slurm calls for each cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slurmtf.errors import SlurmError
from slurmtf.scheduler import Observation, SubmittedJob, group_by_scheduler
from slurmtf.scheduler.base import RECORD_LAG_S

OUTAGE_S = 3600
"""Seconds after an end during which accounting that does not answer is queried again; each query waits for it."""


@dataclass(frozen=True)
class Answer:
    """A scheduler's answer about a job; ``observation`` is None if it knows no job with that id and working folder.

    ``error``: why it could not be queried. ``lags``: it may not know a job that was just submitted. ``outdated``: the answer is
    older than the facts in the run's folder.
    """

    observation: Observation | None = None
    error: str = ""
    lags: bool = True
    outdated: bool = False

    @property
    def over(self) -> bool:
        """Whether the scheduler says that the job has ended, or does not know it."""
        return not self.error and (self.observation is None or self.observation.state.final)

    def is_conclusive(self, ended_s_ago: float) -> bool:
        """Return whether the job has ended according to the scheduler, and no more facts will follow: its accounting lags by
        seconds, or may not have answered."""
        patience = OUTAGE_S if self.observation and self.observation.unconfirmed else RECORD_LAG_S
        return self.over and not self.outdated and not (self.lags and ended_s_ago < patience)


def observe(jobs: Iterable[SubmittedJob], max_age_s: float = 0.0) -> dict[SubmittedJob, Answer]:
    """Query jobs, each scheduler once; accept its answers to other processes of the user up to ``max_age_s`` seconds ago."""
    answers: dict[SubmittedJob, Answer] = {}
    for scheduler, several in group_by_scheduler(jobs):
        try:
            seen = scheduler.observe(several, max_age_s)
        except SlurmError as err:
            answers.update(dict.fromkeys(several, Answer(error=err.findings[0].what)))
            continue
        answers.update({job: Answer(seen.get(job), lags=scheduler.queues) for job in several})
    return answers
