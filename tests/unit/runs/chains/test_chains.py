"""Runs that follow others: the dependencies given to Slurm, and what is refused before anything is submitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement

import pytest

from slurmtf.job.supervisor.slurm_job import move_dependencies
from slurmtf.runs.chains.dependencies import EarlierRun, build_dependencies, combine, parse, rename, wait_until_settled
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.scheduler import JobRef, SubmittedJob


def earlier(status: RunStatus, condition: str = "ok", ref: str | None = "33", scheduler: str = "slurm") -> EarlierRun:
    job = SubmittedJob(JobRef.parse(ref), scheduler, "/r", 0.0) if ref else None
    return EarlierRun("mnist-1", condition, RunState(status), job)


@pytest.mark.parametrize(
    ("one", "dependency"),
    [
        (earlier(RunStatus.QUEUED), "afterok:33"),
        (earlier(RunStatus.RUNNING, "any"), "afterany:33"),
        (earlier(RunStatus.RUNNING, "notok", "33_4"), "afternotok:33_4"),
        (earlier(RunStatus.NOT_RESPONDING), "afterok:33"),
        # a run that ended as required need not be waited for: Slurm may not know its job anymore
        (earlier(RunStatus.COMPLETED), None),
        (earlier(RunStatus.COMPLETED, "any", None), None),
        (earlier(RunStatus.FAILED, "any"), None),
        (earlier(RunStatus.FAILED, "notok"), None),
        (earlier(RunStatus.COMPLETED, scheduler="local"), None),
    ],
)
def test_dependencies_given_to_slurm(one: EarlierRun, dependency: str | None) -> None:
    assert build_dependencies([one], "slurm", None) == ([dependency] if dependency else [], [])


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
def test_runs_that_can_not_be_followed_are_refused(one: EarlierRun, scheduler: str, cluster: str | None, code: str) -> None:
    words, findings = build_dependencies([one], scheduler, cluster)
    assert (words, [finding.code for finding in findings]) == ([], [code])
    assert all(finding.remedy for finding in findings)


@pytest.mark.parametrize(
    ("one", "awaited"),
    [
        (earlier(RunStatus.RUNNING), True),
        (earlier(RunStatus.QUEUED, "any"), True),
        (earlier(RunStatus.COMPLETED), False),  # nothing waits for an ended run
        (earlier(RunStatus.FAILED, "notok"), False),
        (earlier(RunStatus.NOT_STARTED, ref=None), False),
    ],
)
def test_runs_whose_jobs_get_a_second_look(one: EarlierRun, awaited: bool) -> None:
    assert one.awaited is awaited


def test_dependencies_and_findings_of_several_runs_are_combined() -> None:
    many = [earlier(RunStatus.QUEUED), earlier(RunStatus.FAILED), earlier(RunStatus.RUNNING, "any", "7")]
    words, findings = build_dependencies(many, "slurm", None)
    assert (words, len(findings)) == (["afterok:33", "afterany:7"], 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("last", ("last", "ok")), ("mnist-1:any", ("mnist-1", "any")), ("/w/e/mnist-1:notok", ("/w/e/mnist-1", "notok"))],
)
def test_a_run_and_its_required_end_are_parsed(text: str, expected: tuple[str, str]) -> None:
    assert parse(text) == expected


def test_a_dependency_set_by_the_user_is_kept() -> None:
    assert combine(["afterok:3", "afterany:4"], "singleton")["dependency"] == "afterok:3,afterany:4,singleton"
    assert combine([], "singleton") == {}


@pytest.mark.parametrize(
    ("dependency", "expected"),
    [
        ("afterok:12", "afterok:13"),
        ("afterok:7,afterany:12,singleton", "afterok:7,afterany:13,singleton"),
        ("afterok:123,afterok:12_3", "afterok:123,afterok:12_3"),
        ("after:12+5", "after:13+5"),
        ("", ""),
    ],
)
def test_a_dependency_is_moved_to_the_successor(dependency: str, expected: str) -> None:
    assert rename(dependency, {"12": "13"}) == expected


class GoneError(Exception):
    """The job is no longer waiting."""


class Cluster:
    """A run with job 12 and its follower, job 21: what is recorded, what Slurm knows, and who does the next step."""

    def __init__(self, condition: str, steps: Sequence[Callable[[Cluster], None]], places: Sequence[int]) -> None:
        self.current, self.condition, self.dependency = "12", condition, ""
        self.listed = ""
        self.over: set[str] = set()
        self.gone = False
        self._steps = iter(list(zip(places, steps, strict=True)))
        self._next = next(self._steps, None)
        self._calls = 0

    def turn(self) -> None:
        """Let the supervisors do the steps that precede the client's next one."""
        while self._next and self._next[0] <= self._calls:
            self._next[1](self)
            self.start()
            self._next = next(self._steps, None)
        self._calls += 1

    def rest(self) -> None:
        self._calls = 99
        self.turn()

    def start(self) -> None:
        """Start or cancel the follower at once if the job that it waits for is over."""
        self.gone = self.gone or self.dependency.rpartition(":")[2] in self.over

    def read(self) -> str:
        self.turn()
        return self.current

    def wait_for(self, dependency: str) -> None:
        self.turn()
        if self.gone:
            raise GoneError
        self.dependency = dependency
        self.start()

    def follow(self) -> None:
        first = self.read()
        self.wait_for(f"{self.condition}:{first}")
        wait_until_settled(
            self.dependency if not self.gone else f"{self.condition}:{first}", lambda: {first: self.read()}, self.wait_for
        )


def goes_on(was: str, now: str) -> Iterator[Callable[[Cluster], None]]:
    """Yield the steps of a supervisor that hands over (job/supervisor/continuation.py), in its order."""

    def note(cluster: Cluster) -> None:
        cluster.current = now

    def look(cluster: Cluster) -> None:
        cluster.listed = f"21 {cluster.dependency}(unfulfilled)" if cluster.dependency and not cluster.gone else ""

    def move(cluster: Cluster) -> None:
        for dependency in move_dependencies(cluster.listed, was, now).values():
            if not cluster.gone:
                cluster.dependency = dependency

    yield from (note, look, move)


def ends(job: str) -> Callable[[Cluster], None]:
    return lambda cluster: cluster.over.add(job)


ONE = [*goes_on("12", "13"), ends("12")]
TWO = [*ONE, *goes_on("13", "14"), ends("13")]
CALLED_OFF = [*goes_on("12", "13"), *goes_on("13", "12"), ends("13")]


@pytest.mark.parametrize(("steps", "last"), [(ONE, "13"), (TWO, "14"), (CALLED_OFF, "12")])
def test_whatever_the_order_no_follower_is_missed(steps: Sequence[Callable[[Cluster], None]], last: str) -> None:
    gone = settled = 0
    for places in combinations_with_replacement(range(8), len(steps)):
        cluster = Cluster("afterok", steps, places)
        try:
            cluster.follow()
        except GoneError:
            gone += 1
            continue
        cluster.rest()
        assert (cluster.dependency, cluster.gone) == (f"afterok:{last}", False), places
        settled += 1
    assert settled > gone > 0
