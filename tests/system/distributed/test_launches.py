"""Several launches in one allocation, with the real libraries: each meets anew, none is disturbed by the one before."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.system.slurm.support import call, job_of, until

from .trainings import Training, Trainings

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]


def with_launches(training: Training, orders: list[dict[str, Any]]) -> Training:
    """The held job with these launches instead of one, set free."""
    path = Path(training.run.layout.plan)
    plan = json.loads(path.read_text())
    plan["job"]["launches"] = orders
    path.write_text(json.dumps(plan))
    subprocess.run(["scontrol", "release", job_of(training.run)], check=True, timeout=60)
    return training


def orders(flag: str, values: list[str]) -> list[dict[str, Any]]:
    return [{"arguments": [flag, value], "variables": {}, "folder": f"trial-{number}"} for number, value in enumerate(values)]


def ends(training: Training) -> list[int]:
    return [event["exit_code"] for event in [*training.events("launch-ended"), *training.events("ended")]]


def allocations(training: Training) -> list[str]:
    return call("sacct", "-nXj", job_of(training.run), "-o", "jobid").split()


def test_three_launches_in_one_allocation(trainings: Trainings, tf_classic: Path) -> None:
    """With Horovod over Gloo the second one fails; with parameter servers each has its own arguments."""
    hold = {"sbatch": {"hold": True}}
    horovod = with_launches(
        trainings.start("gloo", "horovod-loop", tf_classic, **hold), orders("--steps", ["10", "nonsense", "20"])
    )
    servers = with_launches(trainings.start("srun", "ps-loop", tf_classic, **hold), orders("--steps", ["10", "20", "30"]))
    assert horovod.end().cause == "script"
    assert ends(horovod) == [0, 2, 2], "the first failure is the job's, and the third launch ran all the same"
    assert "size" in (horovod.run.folder / "trial-2/logs/rank-0.out").read_text()
    assert servers.end().cause == "script"
    results = [json.loads(path.read_text()) for path in sorted(servers.run.folder.glob("trial-*/outputs/result-*.json"))]
    assert [chief["steps"] for chief in results] == [10, 20, 30]
    assert ends(servers) == [0, 0, 0]
    assert len(servers.events("task-ended")) == 3 * servers.run.plan["job"]["size"]["tasks"]
    for training in (horovod, servers):
        assert len(until(partial(allocations, training), "the job in sacct")) == 1, "one allocation"
