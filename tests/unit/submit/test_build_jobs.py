"""One build job for all runs with the same environment: the holder of the claim looks again before submitting one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from slurmtf.environments import EnvironmentSpec, EnvironmentStore
from slurmtf.estimator import Environment
from slurmtf.job.contract.environments.claim import Claim
from slurmtf.scheduler import JobRef, JobState, Observation, SubmittedJob
from slurmtf.scheduler.slurm.scheduler import SlurmScheduler
from slurmtf.sites import Site
from slurmtf.sites.model import Environments
from slurmtf.submit import building
from tests.unit.support import tensorflow

JOB = SubmittedJob(JobRef(None, "33"), "slurm", "/store/jobs/33", 1.0)
OURS = SubmittedJob(JobRef(None, "44"), "slurm", "/store/jobs/44", 2.0)


@pytest.mark.parametrize(
    ("state", "expected"), [(JobState.PENDING, JOB), (JobState.RUNNING, JOB), (JobState.FAILED, OURS), (None, OURS)]
)
def test_a_build_job_submitted_while_we_waited_for_the_claim_is_used(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: JobState | None, expected: SubmittedJob
) -> None:
    spec = EnvironmentSpec("pip", "python3", requirements=("numpy",))
    wanted = building.Building(spec, EnvironmentStore(tmp_path), Site(name="here"), tensorflow(source), {})
    queue = {JOB: Observation(JOB.ref, state)} if state else {}
    monkeypatch.setattr(SlurmScheduler, "observe", lambda scheduler, jobs: queue)
    monkeypatch.setattr(building, "_submit", lambda *_: OURS)

    def take(claim: Claim) -> bool:
        building._note_job(wanted, wanted.task, JOB)  # by another client, which had the claim before
        return True

    monkeypatch.setattr(Claim, "take", take)
    found = building._provide_job(wanted, lambda text: None, ())
    assert (found.job, found.ours) == (expected, expected is OURS)


@pytest.mark.parametrize("earlier", [None, JOB])
def test_build_jobs_are_recorded_for_their_task_and_environment(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: SubmittedJob | None
) -> None:
    """For its own task; also for the environment, unless another job already builds it, for which this one only waits."""
    spec = EnvironmentSpec("pip", "python3", requirements=("numpy",))
    wanted = building.Building(spec, EnvironmentStore(tmp_path), Site(name="here"), tensorflow(source), {})
    wanted.store.layout.prepare()

    def submit(*_: object, note: Callable[[SubmittedJob], None], **__: object) -> list[SubmittedJob]:
        note(OURS)
        return [OURS]

    monkeypatch.setattr(SlurmScheduler, "submit", submit)
    assert building._submit(wanted, lambda text: None, (), earlier) == OURS
    found = {name for name in (wanted.task, spec.name) if Path(wanted.store.layout.job(name)).exists()}
    assert found == ({wanted.task} if earlier else {wanted.task, spec.name})


@pytest.mark.parametrize(
    ("of_site", "own", "secrets", "scheduler", "expected"),
    [
        ("job", None, {}, "slurm", True),
        ("login", "job", {}, "slurm", True),
        ("job", "login", {}, "slurm", False),
        ("login", None, {}, "slurm", False),
        ("job", None, {"PIP_INDEX_URL": "https://me:secret@host"}, "slurm", False),  # it would be in Slurm's accounting
        ("job", None, {}, "local", False),
    ],
)
def test_place_where_an_environment_is_built(
    source: Path,
    tmp_path: Path,
    of_site: Literal["login", "job"],
    own: Literal["login", "job"] | None,
    secrets: dict[str, str],
    scheduler: Literal["slurm", "local"],
    expected: bool,
) -> None:
    site = Site(name="here", scheduler=scheduler, environments=Environments(build=of_site))
    asked = tensorflow(source, environment_definition=Environment(pip_packages=["numpy"], build=own))
    spec = EnvironmentSpec("pip", "python3", requirements=("numpy",))
    assert building.Building(spec, EnvironmentStore(tmp_path), site, asked, secrets).by_job is expected
