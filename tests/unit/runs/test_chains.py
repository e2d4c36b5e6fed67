"""Runs that follow others: what Slurm is told, and what is refused before anything is submitted."""

from __future__ import annotations

import pytest

from slurmtf.runs.chains import Earlier, dependencies, joined, parsed
from slurmtf.runs.state import RunState, RunStatus
from slurmtf.scheduler import JobRef, SubmittedJob


def earlier(status: RunStatus, condition: str = "ok", ref: str | None = "33", scheduler: str = "slurm") -> Earlier:
    job = SubmittedJob(JobRef.parse(ref), scheduler, "/r", 0.0) if ref else None
    return Earlier("mnist-1", condition, RunState(status), job)


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (earlier(RunStatus.QUEUED), "afterok:33"),
        (earlier(RunStatus.RUNNING, "any"), "afterany:33"),
        (earlier(RunStatus.RUNNING, "notok", "33_4"), "afternotok:33_4"),
        (earlier(RunStatus.NOT_RESPONDING), "afterok:33"),
        # what has ended as it should needs no waiting: Slurm may not know its job any more
        (earlier(RunStatus.COMPLETED), None),
        (earlier(RunStatus.COMPLETED, "any", None), None),
        (earlier(RunStatus.FAILED, "any"), None),
        (earlier(RunStatus.FAILED, "notok"), None),
        (earlier(RunStatus.COMPLETED, scheduler="local"), None),
    ],
)
def test_what_slurm_waits_for(one: Earlier, told: str | None) -> None:
    assert dependencies([one], "slurm", None) == ([told] if told else [], [])


@pytest.mark.parametrize(
    ("one", "scheduler", "cluster", "code"),
    [
        (earlier(RunStatus.FAILED), "slurm", None, "never-starts"),
        (earlier(RunStatus.CANCELED), "slurm", None, "never-starts"),
        (earlier(RunStatus.COMPLETED, "notok"), "slurm", None, "never-starts"),
        (earlier(RunStatus.QUEUED, "okay"), "slurm", None, "bad-condition"),
        (earlier(RunStatus.NOT_STARTED, ref=None), "slurm", None, "no-job"),
        (earlier(RunStatus.RUNNING, scheduler="local"), "slurm", None, "other-scheduler"),
        (earlier(RunStatus.RUNNING), "local", None, "other-scheduler"),
        (earlier(RunStatus.RUNNING, scheduler="local"), "local", None, "other-scheduler"),
        (earlier(RunStatus.RUNNING, ref="33;wice"), "slurm", None, "other-scheduler"),
    ],
)
def test_what_nobody_can_wait_for(one: Earlier, scheduler: str, cluster: str | None, code: str) -> None:
    words, findings = dependencies([one], scheduler, cluster)
    assert (words, [finding.code for finding in findings]) == ([], [code])
    assert all(finding.remedy for finding in findings)


def test_of_several_all_are_told() -> None:
    many = [earlier(RunStatus.QUEUED), earlier(RunStatus.FAILED), earlier(RunStatus.RUNNING, "any", "7")]
    words, findings = dependencies(many, "slurm", None)
    assert (words, len(findings)) == (["afterok:33", "afterany:7"], 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("last", ("last", "ok")), ("mnist-1:any", ("mnist-1", "any")), ("/w/e/mnist-1:notok", ("/w/e/mnist-1", "notok"))],
)
def test_a_run_and_how_it_is_to_end(text: str, expected: tuple[str, str]) -> None:
    assert parsed(text) == expected


def test_a_dependency_of_the_users_own_stays() -> None:
    assert joined(["afterok:3", "afterany:4"], "singleton")["dependency"] == "afterok:3,afterany:4,singleton"
    assert joined([], "singleton") == {}
