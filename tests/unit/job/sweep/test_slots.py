"""The share of its node that each of several trials of one element gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.journal import open_new
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.job.sweep import slots

PLAN = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), launcher="none")


@pytest.mark.parametrize(
    ("cpus", "gpus", "count", "expected"),
    [(8, 4, 4, (2, 1)), (8, 4, 3, (2, 1)), (None, 0, 2, (None, 0)), (1, 1, 2, (1, 1)), (4, 1, 1, (4, 1))],
)
def test_each_slot_gets_a_share_of_cpus_and_gpus(
    cpus: int | None, gpus: int, count: int, expected: tuple[int | None, int]
) -> None:
    size = slots.build_slot_plan(PLAN._replace(size=Size(cpus_per_task=cpus, gpus_per_node=gpus)), count).size
    assert (size.cpus_per_task, size.gpus_per_node) == expected


@pytest.mark.parametrize(
    ("seen", "count", "expected"),
    [
        ("0,1,2,3", 2, ["0,1", "2,3"]),
        ("GPU-a,GPU-b", 2, ["GPU-a", "GPU-b"]),
        ("3", 2, ["3", "3"]),  # fewer than trials: they share it
    ],
)
def test_gpus_are_divided_among_slots(seen: str, count: int, expected: list[str]) -> None:
    plan = PLAN._replace(size=Size(gpus_per_node=len(seen.split(","))))
    environs = [
        slots.build_slot_environ(plan, number, count, {"CUDA_VISIBLE_DEVICES": seen, "A": "b"}) for number in range(count)
    ]
    assert [environ["CUDA_VISIBLE_DEVICES"] for environ in environs] == expected
    assert {environ["A"] for environ in environs} == {"b"}


def test_without_gpus_the_environment_is_unchanged() -> None:
    assert slots.build_slot_environ(PLAN, 0, 2, {"CUDA_VISIBLE_DEVICES": "0"}) == {"CUDA_VISIBLE_DEVICES": "0"}


def test_slots_have_journals_apart_from_the_jobs() -> None:
    assert slots.build_slot_layout("/runs/x", 3).journals == "/runs/x/sweep/slots/3"


def test_a_slot_does_not_give_way_to_another_slot(tmp_path: Path) -> None:
    journals = [open_new(slots.build_slot_layout(str(tmp_path), slot), "33_0") for slot in (0, 1)]
    assert [journal.is_followed for journal in journals] == [False, False]
    open_new(slots.build_slot_layout(str(tmp_path), 0), "33_0")
    assert [journal.is_followed for journal in journals] == [True, False]
