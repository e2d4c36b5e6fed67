"""What a trial's launch adds to the plan's."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.plan import LaunchOrder, Size
from slurmtf.job.contract.sweep.records import SETTINGS, VARIABLES, Point, build_key
from slurmtf.job.sweep.launching import build_order, choose_launch

SMALL, LARGE = Size(cpus_per_task=2), Size(cpus_per_task=8)


@pytest.mark.parametrize(
    ("attempt", "resume_from", "arguments"),
    [
        (0, "", ("--x", "1")),
        (0, "/earlier", ("--x", "1", "--resume-from", "/earlier")),
        (2, "/own/outputs", ("--x", "1", "--resume-from", "/own/outputs")),
    ],
)
def test_an_attempt_of_a_trial(attempt: int, resume_from: str, arguments: tuple[str, ...]) -> None:
    point = Point({"x": 1, f"{VARIABLES}SEED": 5, f"{SETTINGS}node_count": 2})
    order = build_order(LaunchOrder(size=SMALL), point, 7, attempt, resume_from)
    variables = {"SEED": "5", "SLURMTF_TRIAL": "7", "SLURMTF_ATTEMPT": str(attempt + 1)}
    assert order == LaunchOrder(size=SMALL, arguments=arguments, variables=variables, folder="trials/7", last=False)


@pytest.mark.parametrize(
    ("setting", "slot_size", "size"),
    [
        (None, None, None),
        (None, SMALL, SMALL),
        (8, None, LARGE),
        (8, SMALL, Size(cpus_per_task=4)),
    ],
)
def test_size_of_a_launch(setting: int | None, slot_size: Size | None, size: Size | None) -> None:
    launches = {build_key({"cpus_per_task": 8}): LaunchOrder(size=LARGE)}
    point = Point({"x": 1} if setting is None else {f"{SETTINGS}cpus_per_task": setting})
    assert choose_launch(launches, point, slot_size, per_element=2).size == size
