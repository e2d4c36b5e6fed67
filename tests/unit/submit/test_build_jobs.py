"""One build job for all runs that want the same: who gets the claim looks again before it submits one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from slurmtf.environments import EnvironmentSpec, EnvironmentStore
from slurmtf.job.contract.claim import Claim
from slurmtf.scheduler import JobRef, JobState, Observation, SubmittedJob
from slurmtf.sites import Site
from slurmtf.submit import building
from tests.unit.support import tensorflow

JOB = SubmittedJob(JobRef(None, "33"), "slurm", "/store/jobs/33", 1.0)
OURS = SubmittedJob(JobRef(None, "44"), "slurm", "/store/jobs/44", 2.0)


@pytest.mark.parametrize(
    ("state", "expected"), [(JobState.PENDING, JOB), (JobState.RUNNING, JOB), (JobState.FAILED, OURS), (None, OURS)]
)
def test_a_job_that_was_submitted_while_we_waited_for_the_claim(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: JobState | None, expected: SubmittedJob
) -> None:
    spec = EnvironmentSpec("pip", "python3", requirements=("numpy",))
    wanted = building.Building(spec, EnvironmentStore(tmp_path), Site(name="here"), tensorflow(source), {})
    queue = {JOB: Observation(JOB.ref, state)} if state else {}
    monkeypatch.setattr(building, "scheduler_of", lambda *_: SimpleNamespace(observe=lambda jobs: queue))
    monkeypatch.setattr(building, "_submitted", lambda *_: OURS)

    def take(claim: Claim) -> bool:
        building._note_job(wanted, wanted.task, JOB)  # by another client, which had the claim just now
        return True

    monkeypatch.setattr(Claim, "take", take)
    found = building._job(wanted, lambda text: None, ())
    assert (found.job, found.ours) == (expected, expected is OURS)
