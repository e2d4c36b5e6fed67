"""Dividing the CPUs of a node: which tasks may be bound, and to what."""

from __future__ import annotations

import os

import pytest

from slurmtf.job.common import cpu_binding as binding
from slurmtf.job.contract.plan import Distribution, JobPlan, Run

PLAN = JobPlan(Run("x-1", "x"), "slurm", Distribution((("rank", 2),), bind=True))


@pytest.fixture
def cpus(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """A process that may use CPUs 0 to 7: two sockets with two cores each, hyperthreads numbered from 4."""
    kept = [set(range(8))]
    places = {"physical_package_id": lambda cpu: cpu % 4 // 2, "core_id": lambda cpu: cpu % 2}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: kept[-1])
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, wanted: kept.append(set(wanted)))
    monkeypatch.setattr(binding, "_read_number", lambda cpu, name: places[name](cpu))
    return kept


@pytest.mark.parametrize(
    ("sharers", "expected"),
    [
        (2, [{0, 4, 1, 5}, {2, 6, 3, 7}]),
        (4, [{0, 4}, {1, 5}, {2, 6}, {3, 7}]),
        (3, [{0, 4}, {1, 5}, {2, 6}]),
        (8, [{0}, {4}, {1}, {5}, {2}, {6}, {3}, {7}]),
    ],
)
def test_a_share_is_whole_adjacent_cores(sharers: int, expected: list[set[int]], cpus: list[set[int]]) -> None:
    found = []
    for turn in range(sharers):
        binding.bind(turn, sharers)
        found.append(cpus.pop())
    assert found == expected


@pytest.mark.usefixtures("cpus")
@pytest.mark.parametrize(
    ("plan", "environ", "expected"),
    [
        (PLAN, {"SLURM_CPUS_ON_NODE": "8"}, "ff"),
        (PLAN, {"SLURM_CPUS_ON_NODE": "4"}, ""),  # the others' of the node
        (PLAN, {"SLURM_CPUS_ON_NODE": "16"}, ""),  # already bound
        (PLAN, {}, ""),
        (PLAN._replace(scheduler="local"), {}, "ff"),
        (PLAN._replace(distribution=Distribution((("rank", 2),))), {"SLURM_CPUS_ON_NODE": "8"}, ""),
    ],
)
def test_only_cpus_that_are_the_jobs_alone_are_bound(plan: JobPlan, environ: dict[str, str], expected: str) -> None:
    assert binding.compute_mask(plan, environ) == expected
