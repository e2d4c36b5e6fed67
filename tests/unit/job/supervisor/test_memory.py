"""Where the kernel counts the processes that it killed because of their memory."""

from __future__ import annotations

import pytest

from slurmtf.job.supervisor.memory import KILLS, find_events_file

V2 = "0::/system.slice/slurmstepd.scope/job_33/step_batch/user/task_0\n"
V1 = "9:memory:/slurm/uid_1000/job_33/step_batch\n4:cpu,cpuacct:/slurm/uid_1000/job_33/step_batch\n0::/\n"


@pytest.mark.parametrize(
    ("text", "job", "path"),
    [
        (V2, "33", "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_33/step_batch/user/task_0/memory.events"),
        (V1, "33", "/sys/fs/cgroup/memory/slurm/uid_1000/job_33/step_batch/memory.oom_control"),
        (V2, "3", ""),
        ("0::/user.slice/user-1000.slice\n", "33", ""),
        ("", "", ""),
    ],
)
def test_kills_are_counted_in_the_jobs_own_cgroup(text: str, job: str, path: str) -> None:
    assert find_events_file(text, job) == path


@pytest.mark.parametrize(
    "text", ["low 0\nhigh 0\nmax 71\noom 1\noom_kill 1\noom_group_kill 0\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"]
)
def test_number_of_kills_is_parsed(text: str) -> None:
    """As the kernel writes it: memory.events of cgroup v2, memory.oom_control of v1."""
    found = KILLS.search(text)
    assert found
    assert found[1] == "1"
