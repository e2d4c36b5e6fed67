"""The job that a supervisor keeps: what all of its parts know of it."""

import os
from typing import Dict, Mapping, NamedTuple, Optional

from ..common import identity, wire
from ..contract import variables as var
from ..contract.attempt import events, job_log, journal
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan


class Job(NamedTuple):
    """One attempt of a job. ``environ`` is what its tasks start with; ``log_begin``: where its part of the job's log begins."""

    plan: JobPlan
    layout: RunLayout
    environ: Dict[str, str]
    journal: journal.Journal
    log_begin: int = 0

    @property
    def name(self) -> str:
        return get_name(self.environ)

    def describe_start(self, nth: int, at_most: Optional[int]) -> events.Started:
        """Return the event of this attempt's start, the ``nth`` of ``at_most``."""
        environ = self.environ
        return events.Started(
            job_id=identity.get_array_job_id(environ) or identity.get_job_id(environ) or self.name,
            element=identity.get_element(environ),
            attempt=identity.count_requeues(environ),
            host=identity.get_host(environ),
            nodes=environ.get(var.SLURM_JOB_NODELIST, ""),
            process=dict(identity.identify_process()._asdict()),
            cluster=environ.get(var.SLURM_CLUSTER_NAME, ""),
            job_log=self.log_begin,
            nth=nth,
            at_most=at_most,
        )


def open_job(plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], is_first: bool) -> Job:
    """Return the job of this process, with a new journal. ``is_first``: the run has had no attempt before."""
    own = dict(environ, **{wire.ALLOCATION: os.urandom(8).hex()})
    begin = 0 if is_first else job_log.get_size(layout.job_log)  # the batch script writes there before us
    return Job(plan, layout, own, journal.open_new(layout, get_name(environ)), begin)


def get_name(environ: Mapping[str, str]) -> str:
    """Return the name of this job among the run's jobs; without a scheduler, this process's id."""
    return identity.get_job_name(environ) or str(os.getpid())
