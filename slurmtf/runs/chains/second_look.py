"""The second look of a run that follows others: at the jobs that those have after its submission.

A note exists from before the submission until that look has been taken: if the client is killed in between, the next process
that queries the run takes it. Several may do so at once: each tells Slurm what it sees, and then looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from slurmtf.files import load_json, write_json
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.chains.dependencies import wait_until_settled
from slurmtf.runs.states.records import read_records
from slurmtf.scheduler import SubmittedJob, get_scheduler

FindCurrentJob = Callable[[RunLayout], "SubmittedJob | None"]


class FollowedRuns(NamedTuple):
    """What a run waits for when it is submitted: Slurm's dependency, and the folders of the runs by their jobs at that time."""

    dependency: str
    folders: Mapping[str, str]

    def note(self, layout: RunLayout) -> None:
        """Note that the second look must be taken. Raises OSError if that can't be written."""
        write_json(layout.follows, self._asdict())

    @classmethod
    def load(cls, layout: RunLayout) -> FollowedRuns | None:
        """Return what was noted; None if there is no second look to take."""
        try:
            facts = load_json(layout.follows)
            return cls(str(facts["dependency"]), {str(job): str(folder) for job, folder in facts["folders"].items()})
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def look_again(self, layout: RunLayout, find_current_job: FindCurrentJob) -> None:
        """Make a submitted run wait for the current jobs of the others.

        Raises SlurmError if Slurm refuses or does not answer, OSError if the note can't be removed.
        """
        jobs = read_records(layout).jobs

        def find_current_jobs() -> dict[str, str]:
            found = {name: find_current_job(RunLayout(folder)) for name, folder in self.folders.items()}
            return {name: job.ref.name for name, job in found.items() if job}

        def tell(dependency: str) -> None:
            for job in jobs:
                get_scheduler(job.scheduler, job.ref.cluster).wait_for(job, dependency)

        wait_until_settled(self.dependency, find_current_jobs, tell)
        Path(layout.follows).unlink(missing_ok=True)
