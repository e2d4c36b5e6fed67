"""The job that sbatch names or fails to name; and the state that submitit gets for a job that Slurm does not list."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmtf.errors import RefusedError, SlurmError
from slurmtf.scheduler import JobRef, JobState, SubmittedJob
from slurmtf.scheduler.base import RECORD_LAG_S
from slurmtf.scheduler.slurm import calls, executor
from slurmtf.scheduler.slurm.executor import JobWatcher, SlurmtfExecutor, SlurmtfJob, get_watcher
from tests.unit.support import refusing

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a shell script into a PATH without Slurm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(executor, "WATCHERS", {})
    monkeypatch.setattr(calls, "TRIES", 1)
    for name in ("SBATCH_CLUSTERS", "SLURM_CLUSTERS", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)

    def put(name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    return put


def submit(tmp_path: Path, noted: list[SubmittedJob], cluster: str | None = None) -> SubmittedJob:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\n")
    (tmp_path / "submitit").mkdir(exist_ok=True)
    return SlurmtfExecutor(tmp_path / "submitit", script, cluster).submit_script("submitted", noted.append)


QUEUE = "33|RUNNING|2026-01-01T00:00:00|N/A|N/A|n1|None|{folder}"


@pytest.mark.parametrize(
    ("sbatch", "cluster", "queue", "ref"),
    [
        ("echo 33", None, "", JobRef(None, "33")),
        ("echo '33;wice'", None, "", JobRef("wice", "33")),
        ("echo 33", "wice", "", JobRef("wice", "33")),
        ("echo welcome; echo done", None, QUEUE, JobRef(None, "33")),
        ("echo 33; echo the wrapper failed >&2; exit 1", None, "", JobRef(None, "33")),
    ],
)
def test_the_submitted_job_is_found(
    program: Program, tmp_path: Path, sbatch: str, cluster: str | None, queue: str, ref: JobRef
) -> None:
    program("sbatch", sbatch)
    program("squeue", f"echo '{queue.format(folder=tmp_path)}'" if queue else "true")
    noted: list[SubmittedJob] = []
    job = submit(tmp_path, noted, cluster)
    assert (job.ref, job.folder) == (ref, str(tmp_path))
    assert [one.ref for one in noted] == [ref]


def test_an_unidentified_job_and_a_refused_one_are_different_errors(program: Program, tmp_path: Path) -> None:
    program("sbatch", "echo welcome; echo done")
    program("squeue", "true")
    noted: list[SubmittedJob] = []
    with refusing(SlurmError, "no-job-id"):
        submit(tmp_path, noted)
    program("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(RefusedError):
        submit(tmp_path, noted)
    assert noted == []


def job(folder: str, job_id: str = "33") -> SubmittedJob:
    return SubmittedJob(JobRef(None, job_id), "slurm", folder, time.time())


@pytest.mark.parametrize(("age", "state"), [(0.0, "UNKNOWN"), (RECORD_LAG_S + 1, JobState.LOST.value)])
def test_a_job_not_listed_by_slurm_is_lost_after_some_time(program: Program, age: float, state: str) -> None:
    program("squeue", "true")
    watcher = JobWatcher(None)
    watcher.register(job("/runs/a"))
    watcher._born["33"] -= age
    watcher.update()
    assert (watcher.get_state("33", mode="cache"), watcher.is_done("33", mode="cache")) == (state, state != "UNKNOWN")


def test_a_missing_answer_of_slurm_changes_nothing(program: Program) -> None:
    program("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    watcher = JobWatcher(None)
    watcher.register(job("/runs/a"))
    watcher._born["33"] -= RECORD_LAG_S + 1
    watcher.update()
    assert watcher.get_state("33", mode="cache") == "UNKNOWN"


@pytest.mark.usefixtures("program")
def test_jobs_of_a_cluster_are_queried_together_unless_an_id_is_reused() -> None:
    first, second, again = job("/runs/a"), job("/runs/b", "34"), job("/runs/c")
    watchers = []
    for one in (first, second, again):
        watchers.append(get_watcher(one))
        watchers[-1].register(one)
    assert watchers[0] is watchers[1] is not watchers[2]


def test_an_unanswered_cancellation_is_an_error_unless_it_does_not_matter(program: Program, tmp_path: Path) -> None:
    program("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    program("scancel", "echo 'Unable to contact slurm controller' >&2; exit 1")
    canceled = SlurmtfJob(tmp_path, "33", [0])
    canceled.watch(job("/runs/a"))
    canceled.cancel(check=False)
    with pytest.raises(SlurmError):
        canceled.cancel()
