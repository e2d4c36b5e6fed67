"""Our own programs in their environments: how many run here at once, and jobs that an earlier command left in the queue."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf.environments import EnvironmentStore
from slurmtf.files import write_json
from slurmtf.scheduler import JobRef, JobState, Observation, SubmittedJob
from slurmtf.sites import load
from slurmtf.submit import tools
from slurmtf.submit.tools import JOBS, Toolbox, describe_end, format_wait_reasons, split_elements


@pytest.mark.parametrize(
    ("elements", "cpus", "of_machine", "expected"),
    [
        (8, None, 4, [()]),
        (8, 2, 4, [("part", "0", "2", "2"), ("part", "1", "2", "2")]),
        (1, 1, 4, [("part", "0", "1", "1")]),
        (3, 8, 4, [("part", "0", "1", "8")]),  # more CPUs than there are: one program, as requested
    ],
)
def test_as_many_programs_run_at_once_as_fit(
    elements: int, cpus: int | None, of_machine: int, expected: list[tuple[str, ...]]
) -> None:
    assert split_elements(elements, cpus, of_machine) == expected


class Queue:
    """A scheduler with a given answer about each element at each look."""

    queues = True

    def __init__(self, *looks: list[JobState]) -> None:
        self.looks = list(looks)

    def observe(self, jobs: Iterable[SubmittedJob]) -> dict[SubmittedJob, Observation]:
        every = [one for job in jobs for one in job.each]
        return {one: Observation(one.ref, state) for one, state in zip(every, self.looks.pop(0), strict=False)}


def seen(state: JobState, reason: str, job_id: str = "7") -> Observation:
    return Observation(JobRef(None, job_id, 0), state, reason)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ([], ""),
        ([seen(JobState.PENDING, "None")], ""),
        ([seen(JobState.PENDING, "PartitionTimeLimit")] * 2, "job 7 waits in the queue: PartitionTimeLimit ..."),
        (
            [seen(JobState.PENDING, "Resources"), seen(JobState.PENDING, "Priority", "8")],
            "job 7, 8 waits in the queue: Priority, Resources ...",
        ),
        ([seen(JobState.PENDING, "Resources"), seen(JobState.RUNNING, "None")], ""),
    ],
)
def test_reasons_to_wait_are_shown_until_a_job_starts(observed: list[Observation], expected: str) -> None:
    assert format_wait_reasons(observed) == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (None, ""),
        (seen(JobState.COMPLETED, ""), ""),
        (replace(seen(JobState.FAILED, ""), exit_code=137), "FAILED, exit code 137"),
        (replace(seen(JobState.OUT_OF_MEMORY, ""), exit_code=0, signal=9), "OUT_OF_MEMORY, signal 9"),
        (seen(JobState.TIMEOUT, ""), "TIMEOUT"),
    ],
)
def test_an_unsuccessful_end_of_a_job_is_described(end: Observation | None, expected: str) -> None:
    assert describe_end(end) == expected


DONE, RUNNING, PENDING = JobState.COMPLETED, JobState.RUNNING, JobState.PENDING


@pytest.mark.parametrize(
    ("noted", "looks", "waited"),
    [
        (False, [], False),
        (True, [[]], False),  # forgotten
        (True, [[DONE, JobState.FAILED]], False),
        (True, [[DONE, PENDING], [DONE, RUNNING], [DONE, DONE]], True),
    ],
)
def test_jobs_of_an_earlier_command_are_waited_for(
    noted: bool, looks: list[list[JobState]], waited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, messages = Queue(*looks), list[str]()
    monkeypatch.setattr(tools, "get_scheduler", lambda name, cluster: queue)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    if noted:
        write_json(
            tmp_path / JOBS, {"jobs": [SubmittedJob(JobRef(None, "7"), "slurm", str(tmp_path), 1.0, elements=2).to_dict()]}
        )
    Toolbox(load("slurm"), EnvironmentStore(tmp_path), messages.append).wait_for_earlier(tmp_path)
    assert [line.split(", ")[0] for line in messages] == ["waiting for job 7"] * waited
    assert queue.looks == []
