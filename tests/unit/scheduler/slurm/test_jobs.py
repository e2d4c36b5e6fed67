"""Jobs by name, the order of their states, and whether an answer is about the requested job."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import slurmtf
from slurmtf.errors import RefusedError
from slurmtf.findings import Finding
from slurmtf.job.contract.schedulers import CAPABILITIES
from slurmtf.processes import ProcessId
from slurmtf.scheduler import SCHEDULERS, Array, JobRef, JobState, Observation, SubmittedJob, get_scheduler, group_by_scheduler
from slurmtf.scheduler.base import SUBMIT_SLACK_S, Note, match
from slurmtf.scheduler.slurm import jobs
from slurmtf.scheduler.slurm.commands import build_sbatch, parse_max_array_size, split_array
from slurmtf.scheduler.slurm.executor import SlurmtfExecutor
from slurmtf.scheduler.slurm.jobs import compute_max_age, select_cancellable
from slurmtf.scheduler.slurm.scheduler import SlurmScheduler, read_max_array_size
from slurmtf.sites.search import find_data
from tests.patience import until

JOB = SubmittedJob(JobRef(None, "33"), "slurm", "/runs/a", 1000.0, "submitted")


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (JobRef(None, "33"), "33"),
        (JobRef(None, "33", 0), "33_0"),
        (JobRef("wice", "33"), "33;wice"),
        (JobRef("wice", "33", 12), "33_12;wice"),
    ],
)
def test_a_job_is_converted_to_its_name_and_back(ref: JobRef, text: str) -> None:
    assert (str(ref), JobRef.parse(text)) == (text, ref)
    assert JobRef.from_dict(json.loads(json.dumps({**ref.to_dict(), "new": 1}))) == ref


@pytest.mark.parametrize("text", ["", ";wice", "33_x", "33_", "_1", "33_\u00b2"])
def test_texts_that_name_no_job_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number of a job"):
        JobRef.parse(text)


def test_a_submitted_job_survives_writing_and_reading() -> None:
    local = SubmittedJob(JobRef(None, "7"), "local", "/runs/b", 0.0, "by-hand", process=ProcessId("here", 7, 99))
    array = replace(JOB, elements=5, first=10, ref=JobRef("wice", "33"))
    for job in (JOB, local, array):
        assert SubmittedJob.from_dict(json.loads(json.dumps({**job.to_dict(), "new": [1]}))) == job


def test_an_array_consists_of_its_elements() -> None:
    array = replace(JOB, elements=3)
    assert [job.ref.name for job in array.each] == ["33_0", "33_1", "33_2"]
    assert array.each[1].each == [array.each[1]]
    assert JOB.each == [JOB]


# --- the order of states

WAY = [JobState.PENDING, JobState.CONFIGURING, JobState.RUNNING, JobState.COMPLETING, JobState.COMPLETED]


@pytest.mark.parametrize(("earlier", "later"), list(itertools.combinations(WAY, 2)))
def test_the_later_state_of_a_start_counts(earlier: JobState, later: JobState) -> None:
    """In whatever order they arrive: the states of a job have one direction."""
    seen = [Observation(JOB.ref, state, start=JOB.submitted, folder=JOB.folder) for state in (earlier, later)]
    assert match([JOB], seen)[JOB].state is match([JOB], reversed(seen))[JOB].state is later


# --- which job an answer is about


def seen(state: JobState = JobState.RUNNING, folder: str = "/runs/a", submitted: float | None = 1000.0) -> Observation:
    return Observation(JOB.ref, state, folder=folder, submitted=submitted)


@pytest.mark.parametrize(
    ("observation", "ours"),
    [
        (seen(), True),
        (seen(folder="/runs//a/"), True),
        (seen(folder="/runs/b"), False),
        (seen(submitted=None), True),
        (seen(submitted=90000.0), True),  # requeued
        (seen(submitted=1000.0 - SUBMIT_SLACK_S - 1), False),  # before the id was reused
        (seen(submitted=1000.0 - SUBMIT_SLACK_S + 1), True),  # clocks differ
        (seen(folder=""), False),
        (replace(seen(), ref=JobRef(None, "34")), False),
        (replace(seen(), ref=JobRef(None, "33", 0)), False),
        (replace(seen(), ref=JobRef("wice", "33")), False),
    ],
)
def test_an_id_alone_does_not_identify_a_job(observation: Observation, ours: bool) -> None:
    assert observation.matches(JOB) is ours


def test_the_folder_identifies_a_job_with_an_unknown_submission() -> None:
    unknown = replace(JOB, submitted=0.0)
    assert seen().matches(unknown)
    assert not seen(folder="").matches(unknown)


def test_an_id_without_a_known_folder_is_doubtful() -> None:
    unsaid = seen(JobState.COMPLETED, folder="", submitted=1100.0)
    assert match([JOB], [unsaid])[JOB].state is JobState.UNKNOWN
    assert match([JOB], [unsaid, seen(JobState.CANCELLED)])[JOB].state is JobState.CANCELLED
    assert match([JOB], [seen(JobState.COMPLETED, folder="", submitted=1.0)]) == {}


def test_two_runs_may_have_the_same_id() -> None:
    other = replace(JOB, folder="/runs/b", submitted=5000.0)
    answers = [seen(JobState.CANCELLED), seen(JobState.PENDING, "/runs/b", 5000.0)]
    for order in (answers, answers[::-1]):
        found = match([JOB, other], order)
        assert {job.folder: one.state for job, one in found.items()} == {
            "/runs/a": JobState.CANCELLED,
            "/runs/b": JobState.PENDING,
        }


def test_the_last_start_counts() -> None:
    rows = [replace(seen(JobState.PREEMPTED), start=1001.0), replace(seen(JobState.RUNNING, submitted=1100.0), start=1110.0)]
    for order in (rows, rows[::-1]):
        assert match([JOB], order)[JOB].state is JobState.RUNNING


def test_a_late_answer_does_not_move_a_job_backwards() -> None:
    rows = [replace(seen(state), start=1001.0) for state in (JobState.RUNNING, JobState.COMPLETED, JobState.COMPLETING)]
    for order in itertools.permutations(rows):
        assert match([JOB], order)[JOB].state is JobState.COMPLETED


def test_each_scheduler_and_cluster_is_queried_once() -> None:
    there = replace(JOB, ref=JobRef("wice", "33"))
    here = replace(JOB, scheduler="local")
    groups = group_by_scheduler([JOB, there, here, replace(JOB, folder="/runs/b")])
    assert [(scheduler.name, len(jobs)) for scheduler, jobs in groups] == [("slurm", 2), ("slurm", 1), ("local", 1)]
    assert get_scheduler("local").queues is False
    assert get_scheduler("slurm").queues is True


def test_plans_and_jobs_agree_about_each_scheduler() -> None:
    assert set(CAPABILITIES) == set(SCHEDULERS)


def test_no_decision_names_a_scheduler() -> None:
    named = re.compile(r"""scheduler (==|!=) |== "(slurm|local)"|!= "(slurm|local)\"""")
    own = (path for path in Path(slurmtf.__file__).parent.rglob("*.py") if path.parent.name != "migration")  # Azure ML's words
    sources = [*own, *find_data("templates").glob("*.j2")]
    found = [(path.name, line.strip()) for path in sources for line in path.read_text().splitlines() if named.search(line)]
    assert found == [("words.py", 'if outcome.detail.get("by") == "slurm":')], "a fact of an outcome, which no scheduler has"


# --- arrays


@pytest.mark.parametrize(
    ("array", "size", "expected"),
    [
        (Array(10, 3), 1001, [(10, 3)]),
        (Array(10, 10), 4, [(4, 4), (4, 3), (2, 2)]),
        (Array(10, 2), 4, [(4, 1), (4, 1)]),
        (Array(1, 1), 4, [(1, 1)]),
    ],
)
def test_slices_share_the_limit_of_concurrent_elements(array: Array, size: int, expected: list[tuple[int, int]]) -> None:
    found = [(len(part), at_once) for part, at_once in split_array(array, size)]
    assert found == expected
    assert sum(at_once or 0 for _, at_once in found) <= (array.at_once or 0)
    assert build_sbatch("/run/job.sh", [], None, range(4), 2)[2] == "--array=0-3%2"


@pytest.mark.parametrize(
    ("elements", "size", "expected"),
    [(12, 5, [range(5), range(5, 10), range(10, 12)]), (5, 5, [range(5)]), (1, 5, [range(1)]), (0, 5, [])],
)
def test_an_array_is_submitted_in_slices(elements: int, size: int, expected: list[range]) -> None:
    assert split_array(Array(elements), size) == [(part, None) for part in expected]
    flags = [build_sbatch("/run/job.sh", [], None, part) for part in expected]
    assert flags == [
        ["sbatch", "--parsable", f"--array=0-{len(part) - 1}", "/run/job.sh", str(part.start)] for part in expected
    ]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("MaxArraySize            = 5\n", 5),
        ("A = 1\nMaxArraySize = 10001\nB = 2\n", 10001),
        ("", 1001),
        ("MaxArraySize = \u00b2", 1001),
        ("MaxArraySize = 0\n", 1),  # the cluster takes no arrays: its sbatch says so
    ],
)
def test_the_maximum_size_of_an_array_is_read(text: str, size: int) -> None:
    assert parse_max_array_size(text) == size


def test_an_array_refused_halfway_leaves_no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\n")
    noted: list[SubmittedJob] = []
    canceled: list[SubmittedJob] = []

    def submit(self: SlurmtfExecutor, why: str, note: Note, elements: range, at_once: int | None) -> SubmittedJob:
        if elements.start == 4:
            raise RefusedError(Finding("refused", "sbatch", "no more"))
        note(job := replace(JOB, why=why, elements=len(elements), first=elements.start))
        return job

    monkeypatch.setattr(SlurmtfExecutor, "submit_script", submit)
    monkeypatch.setattr("slurmtf.scheduler.slurm.scheduler.read_max_array_size", lambda cluster: 2)
    monkeypatch.setattr(SlurmScheduler, "cancel", lambda self, jobs: canceled.extend(jobs))
    with pytest.raises(RefusedError):
        SlurmScheduler().submit(script, tmp_path, {}, Array(6), why="sweep", note=noted.append)
    assert [job.first for job in noted] == [0, 2]
    assert canceled == noted


def test_the_elements_of_an_array_on_this_machine_are_jobs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    script = tmp_path / "job.sh"
    script.write_text('echo "$1" > "$1.partial"; mv "$1.partial" "$1"; sleep 3600')
    noted: list[SubmittedJob] = []
    scheduler = get_scheduler("local")
    jobs = scheduler.submit(script, tmp_path, os.environ, Array(3), why="sweep", note=noted.append)
    try:
        until(lambda: all((tmp_path / str(number)).exists() for number in range(3)), "three jobs")
        assert noted == jobs
        assert [(job.first, job.elements, job.why) for job in jobs] == [(0, 0, "sweep"), (1, 0, "sweep"), (2, 0, "sweep")]
        assert [seen.state for seen in scheduler.observe(jobs).values()] == [JobState.RUNNING] * 3
    finally:
        for job in jobs:
            os.killpg(int(job.ref.job_id), signal.SIGKILL)


def test_an_array_on_this_machine_that_can_not_be_recorded_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    script = tmp_path / "job.sh"
    script.write_text("exec sleep 3600")
    noted: list[SubmittedJob] = []

    def note(job: SubmittedJob) -> None:
        noted.append(job)
        if job.first == 1:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        get_scheduler("local").submit(script, tmp_path, os.environ, Array(3), why="sweep", note=note)
    assert len(noted) == 2
    for job in noted:
        with suppress(ChildProcessError):
            os.waitpid(int(job.ref.job_id), 0)
        assert job.process is not None
        assert not job.process.is_alive()


# --- canceling

LONG_AFTER = JOB.submitted + 3600


@pytest.mark.parametrize(
    ("queue", "now", "names"),
    [
        ([seen(JobState.PENDING)], LONG_AFTER, ["33"]),
        ([seen()], LONG_AFTER, ["33"]),
        ([seen(JobState.UNKNOWN)], LONG_AFTER, ["33"]),
        ([seen(JobState.CANCELLED)], LONG_AFTER, []),
        ([seen(folder="/runs/b")], LONG_AFTER, []),
        ([seen(folder="/runs/b")], JOB.submitted + 5, []),  # an id that is reused within a minute
        ([seen(JobState.COMPLETED), seen(folder="/runs/b")], LONG_AFTER, []),
        ([], LONG_AFTER, []),
        ([], JOB.submitted + 5, ["33"]),  # not listed yet
    ],
)
def test_only_our_own_jobs_are_canceled(queue: list[Observation], now: float, names: list[str]) -> None:
    assert select_cancellable([JOB], queue, now) == names


@pytest.mark.parametrize(
    ("now", "age"),
    [(JOB.submitted + 0.5, 0.5), (JOB.submitted + 3600, 60.0), (JOB.submitted - 5, 0.0)],
    ids=["just submitted", "long ago", "clocks that differ"],
)
def test_an_answer_from_before_the_submission_does_not_count(now: float, age: float) -> None:
    assert compute_max_age([JOB.submitted, 0.0], 60.0, now) == age
    assert compute_max_age([], 60.0, now) == 60.0


def test_an_answer_of_squeue_from_before_a_submission_does_not_lose_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    ages: list[float] = []
    young = replace(JOB, submitted=time.time() - 0.25)

    def list_queue(_: str | None, age: float) -> list[Observation]:
        ages.append(age)
        return [seen(submitted=young.submitted)]

    monkeypatch.setattr(jobs, "list_mine", list_queue)
    assert jobs.observe([young], None, 60.0)[young].state is JobState.RUNNING
    assert 0.25 <= ages[0] < 30.0


def test_an_answer_of_squeue_from_before_a_folder_does_not_hide_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    ages: list[float] = []

    def list_queue(_: str | None, age: float) -> list[Observation]:
        ages.append(age)
        return [seen(submitted=time.time())]

    monkeypatch.setattr(jobs, "list_mine", list_queue)
    assert set(jobs.find({JOB.folder: time.time() - 0.25}, None, 60.0)) == {JOB.folder}
    assert 0.25 <= ages[0] < 30.0


def test_an_array_is_canceled_as_a_whole_while_an_element_runs() -> None:
    array = replace(JOB, elements=3)
    rows = [replace(seen(state), ref=replace(JOB.ref, element=n)) for n, state in enumerate([JobState.COMPLETED] * 2)]
    waiting = replace(seen(JobState.PENDING), ref=replace(JOB.ref, element=2))
    assert select_cancellable([array], [*rows, waiting], LONG_AFTER) == ["33"]
    assert select_cancellable(array.each, [*rows, waiting], LONG_AFTER) == ["33_2"]
    assert select_cancellable([array], rows, LONG_AFTER) == []
    assert select_cancellable([array], [replace(one, folder="/runs/b") for one in (*rows, waiting)], LONG_AFTER) == []


def test_the_array_limit_is_asked_of_the_cluster_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["MaxArraySize            = 1001\n", "MaxArraySize            = 5\n"])
    monkeypatch.setattr("slurmtf.scheduler.slurm.scheduler.run_command", lambda command: next(answers))
    assert [read_max_array_size(None), read_max_array_size(None)] == [1001, 5]
