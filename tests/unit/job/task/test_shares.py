"""How many threads a task's libraries start."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.job.task.shares import SERVER_THREADS, build_thread_counts, count_cpus


@pytest.mark.parametrize(
    ("asked", "allowed", "bound", "sharers", "cpus"),
    [
        (4, 8, False, 1, 4),
        (4, 2, False, 1, 2),
        (4, 8, True, 2, 4),
        (None, 8, True, 2, 8),
        (None, 8, False, 2, 4),
        (None, 8, False, 16, 1),
        (None, 8, False, 1, None),
    ],
)
def test_cpus_of_a_task(asked: int | None, allowed: int, bound: bool, sharers: int, cpus: int | None) -> None:
    assert count_cpus(asked, allowed, bound, sharers) == cpus


@pytest.mark.parametrize(
    ("cluster", "inherited", "counts"),
    [
        (False, {}, {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}),
        (True, {}, {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": str(SERVER_THREADS)}),
        (False, {"OMP_NUM_THREADS": "1"}, {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}),
    ],
)
def test_threads_are_as_many_as_the_tasks_cpus(cluster: bool, inherited: dict[str, str], counts: dict[str, str]) -> None:
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("worker", 1),), cluster=cluster), size=Size(cpus_per_task=2))
    assert build_thread_counts(plan, {}, inherited, allowed=8) == counts
