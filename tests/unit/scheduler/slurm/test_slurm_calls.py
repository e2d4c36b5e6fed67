"""The calls of Slurm's commands: which, how often, for which jobs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf.errors import SlurmError, UnreachableError
from slurmtf.scheduler import JobRef, JobState, SubmittedJob
from slurmtf.scheduler.slurm.calls import CUT
from slurmtf.scheduler.slurm.commands import (
    build_sacct,
    build_sacct_since,
    build_squeue,
)
from slurmtf.scheduler.slurm.jobs import list_mine, read_usage
from slurmtf.scheduler.slurm.scheduler import SlurmScheduler
from tests.unit.support import refusing


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with only the commands of a test."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def command(folder: Path, name: str, says: str = "", error: str = "", status: int = 0) -> None:
    """Write a command that records its arguments and time format, and prints a text."""
    quoted = says.replace("'", "'\\''")
    path = folder / name
    path.write_text(
        f"#!/bin/sh\necho \"$SLURM_TIME_FORMAT $SQUEUE_FORMAT $*\" >> '{folder}/{name}.calls'\n"
        f"printf '%s' '{quoted}'\nprintf '%s' '{error}' >&2\nexit {status}\n",
        encoding="utf-8",
        errors="surrogateescape",
    )
    path.chmod(0o755)


def calls(folder: Path, name: str) -> list[str]:
    file = folder / f"{name}.calls"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def job(job_id: str, folder: str = "/a") -> SubmittedJob:
    return SubmittedJob(JobRef(None, job_id), "slurm", folder, 5.0)


def states(*jobs: SubmittedJob) -> dict[str, JobState]:
    return {job.ref.name: seen.state for job, seen in SlurmScheduler().observe(jobs).items()}


def test_sacct_is_queried_for_jobs_that_squeue_has_forgotten(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%all")
    command(commands, "squeue", "1|RUNNING|5|5|9|n1|None|/a\n2|PENDING|5|N/A|N/A||Priority|/\udcff\n")
    command(commands, "sacct", "3|FAILED|3:0|5|5|9|n1|/a\n")
    assert states(job("1"), job("3"), job("4")) == {"1": JobState.RUNNING, "3": JobState.FAILED}
    assert calls(commands, "squeue") == ["%s  " + " ".join(build_squeue()[1:])]
    assert calls(commands, "sacct") == ["%s  " + " ".join(build_sacct(["3", "4"])[1:])]
    assert states(job("2", "/\udcff")) == {"2": JobState.PENDING}
    assert len(calls(commands, "sacct")) == 1


def test_the_exit_code_of_a_failed_job_comes_from_accounting(commands: Path) -> None:
    """Once it knows that the job has ended; not queried for elements of arrays."""
    command(commands, "squeue", "1|FAILED|5|5|9|n1|None|/a\n2_0|FAILED|5|5|9|n1|None|/a\n3|COMPLETED|5|5|9|n1|None|/a\n")
    asked = [job("1"), replace(job("2"), ref=JobRef(None, "2", 0)), job("3")]
    for row, end in (("1|RUNNING|0:0|5|5|Unknown|n1|/a", (None, None)), ("1|FAILED|0:53|5|5|9|n1|/a", (0, 53))):
        command(commands, "sacct", f"{row}\n")
        found = SlurmScheduler().observe(asked)
        assert [found[one].state for one in asked] == [JobState.FAILED, JobState.FAILED, JobState.COMPLETED]
        assert (found[asked[0]].exit_code, found[asked[0]].signal) == end
    assert calls(commands, "sacct") == ["%s  " + " ".join(build_sacct(["1"])[1:])] * 2


def test_a_job_of_another_folder_is_not_ours_whatever_its_id(commands: Path) -> None:
    command(commands, "squeue", "1|RUNNING|5|5|9|n1|None|/b\n")
    command(commands, "sacct", "1|CANCELLED by 7|0:0|5|5|9|n1|/a\n1|RUNNING|0:0|8|8|Unknown|n1|/b\n")
    assert states(job("1", "/a")) == {"1": JobState.CANCELLED}
    assert states(job("1", "/b")) == {"1": JobState.RUNNING}
    assert states(job("1", "/c")) == {}


def test_an_answer_is_about_the_queried_cluster(commands: Path) -> None:
    command(commands, "squeue", "CLUSTER: lab\n1|RUNNING|5|5|9|n1|None|/a\n")
    there = SubmittedJob(JobRef("lab", "1"), "slurm", "/a", 5.0)
    assert list(SlurmScheduler("lab").observe([there])) == [there]
    assert calls(commands, "squeue") == ["%s  " + " ".join(build_squeue("lab")[1:])]
    assert SlurmScheduler("lab").find({"/a": 5.0, "/b": 5.0}) == {"/a": [there]}


def test_jobs_are_found_by_their_folders(commands: Path) -> None:
    """In the queue, or in accounting if the queue has forgotten them; slices of an array in their order."""
    now = time.time()
    queue = "1|RUNNING|5|5|9|n1|None|/a\n12_[0-2]|PENDING|7|N/A|N/A||Priority|/c/\n9_[0-4]|PENDING|7|N/A|N/A||Priority|/c\n"
    command(commands, "squeue", queue)
    command(commands, "sacct", "3|CANCELLED by 7|0:0|6|Unknown|8|None assigned|/b\n1|FAILED|3:0|5|5|9|n1|/z\n")
    nine, twelve = (SubmittedJob(JobRef(None, name), "slurm", "/c", 7.0) for name in ("9", "12"))
    array = [replace(nine, elements=5), replace(twelve, elements=3, first=5)]
    assert SlurmScheduler().find({"/a": now, "/c": now}) == {"/a": [job("1")], "/c": array}
    assert calls(commands, "sacct") == []
    found = SlurmScheduler().find({"/a": now, "/b": now - 7200, "/d": now})
    assert found == {"/a": [job("1")], "/b": [replace(job("3", "/b"), submitted=6.0)]}
    assert calls(commands, "sacct") == ["%s  " + " ".join(build_sacct_since(3)[1:])]


def test_without_an_answer_of_accounting_no_job_is_declared_missing(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmtf.scheduler.slurm.calls.time.sleep", lambda _: None)
    command(commands, "squeue", "")
    command(commands, "sacct", error="Slurm accounting storage is disabled", status=1)
    assert SlurmScheduler().find({"/a": 5.0}) == {}
    command(commands, "sacct", error="sacct: error: Problem talking to the database: Connection refused", status=1)
    with refusing(SlurmError, "slurm-failed", "Connection refused"):
        SlurmScheduler().find({"/a": 5.0})


def test_a_cluster_without_accounting(commands: Path) -> None:
    command(commands, "squeue", "1|RUNNING|5|5|9|n1|None|/a\n")
    assert states(job("1"), job("2")).keys() == {"1"}
    command(commands, "sacct", error="Slurm accounting storage is disabled", status=1)
    assert states(job("1"), job("2")).keys() == {"1"}


def test_without_an_answer_of_accounting_no_job_is_gone(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmtf.scheduler.slurm.calls.time.sleep", lambda _: None)
    command(commands, "squeue", "1|RUNNING|5|5|9|n1|None|/a\n")
    command(commands, "sacct", error="sacct: error: Problem talking to the database: Connection refused", status=1)
    assert states(job("1"), job("2")) == {"1": JobState.RUNNING, "2": JobState.UNKNOWN}


def test_a_busy_controller_is_asked_again(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("slurmtf.scheduler.slurm.calls.time.sleep", waits.append)
    message = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    command(commands, "squeue", error=message, status=1)
    with pytest.raises(SlurmError) as caught:
        list_mine(None)
    between_tries = [wait for wait in waits if wait > 1]  # subprocess also sleeps while it waits
    assert (len(calls(commands, "squeue")), between_tries) == (3, [2, 4])
    assert (caught.value.findings[0].where, caught.value.findings[0].what) == ("squeue", message)


def test_an_answer_that_is_cut_is_none(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmtf.scheduler.slurm.calls.time.sleep", lambda _: None)
    command(commands, "squeue", says="1|RUNNING|5|1|2|n1|None|/a\n2|RUN")
    with refusing(SlurmError, "slurm-failed", CUT):
        list_mine(None)
    assert len(calls(commands, "squeue")) == 3


def test_other_failures_are_not_retried(commands: Path) -> None:
    command(commands, "squeue", error="squeue: error: no way", status=1)
    with refusing(SlurmError, "slurm-failed", "no way"):
        list_mine(None)
    assert len(calls(commands, "squeue")) == 1


def test_missing_commands_are_reported(commands: Path) -> None:
    with refusing(SlurmError, "no-slurm"):
        list_mine(None)
    with refusing(UnreachableError, "no-slurm"):
        SlurmScheduler().check()
    for name in ("sbatch", "squeue", "scancel"):
        command(commands, name)
    SlurmScheduler().check()


def test_accounting_of_another_job_with_the_same_id_is_not_used(commands: Path) -> None:
    """Without accounting, or an answer from it, nothing is known."""
    command(commands, "sacct", "1|60|01:00|||/a\n1.batch|60|01:00|5K||\n2|60|01:00|||/elsewhere\n")
    found = read_usage([job("1"), job("2", "/b")], None)
    assert {one.ref.job_id: used.max_rss for one, used in found.items()} == {"1": 5 * 1024}
    assert read_usage([], None) == {}
    command(commands, "sacct", status=1)
    assert read_usage([job("1")], None) == {}
    (commands / "sacct").unlink()
    assert read_usage([job("1")], None) == {}
