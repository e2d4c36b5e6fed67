"""Several launches in one allocation, with the real libraries: each has a new rendezvous, undisturbed by earlier launches."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_S, until
from tests.system.slurm.support import call, get_job

from .examples import Examples, Launched

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]


def with_launches(launched: Launched, orders: list[dict[str, Any]]) -> Launched:
    """Give a held job these launches instead of its one, and release it."""
    path = Path(launched.run.layout.plan)
    plan = json.loads(path.read_text())
    plan["job"]["launches"] = orders
    path.write_text(json.dumps(plan))
    subprocess.run(["scontrol", "release", get_job(launched.run)], check=True, timeout=HANG_S)
    return launched


def orders(flag: str, values: list[str]) -> list[dict[str, Any]]:
    return [{"arguments": [flag, value], "variables": {}, "folder": f"trial-{number}"} for number, value in enumerate(values)]


def ends(launched: Launched) -> list[int]:
    return [event["exit_code"] for event in [*launched.events("launch-ended"), *launched.events("ended")]]


def allocations(launched: Launched) -> list[str]:
    return call("sacct", "-nXj", get_job(launched.run), "-o", "jobid").split()


def test_three_launches_run_in_one_allocation(examples: Examples, tf_classic: Path) -> None:
    """With Horovod over Gloo, the second launch fails; with parameter servers, each launch has its own arguments."""
    hold, one = {"sbatch": {"hold": True}}, {"process_count_per_node": 1}
    ranks = examples.start("gloo", "horovod-loop", tf_classic, **hold, **one)
    horovod = with_launches(ranks, orders("--steps", ["10", "nonsense", "20"]))
    served = examples.start("srun", "ps-loop", tf_classic, worker_count=1, **hold)
    servers = with_launches(served, orders("--steps", ["10", "20", "30"]))
    assert horovod.end().cause == "script"
    assert ends(horovod) == [0, 2, 2], "the first failure is the job's, and the third launch ran all the same"
    assert "size" in (horovod.run.folder / "trial-2/logs/rank-0.out").read_text()
    assert servers.end().cause == "script"
    results = [json.loads(path.read_text()) for path in sorted(servers.run.folder.glob("trial-*/outputs/result-*.json"))]
    assert [chief["steps"] for chief in results] == [10, 20, 30]
    assert ends(servers) == [0, 0, 0]
    assert len(servers.events("task-ended")) == 3 * servers.run.plan["job"]["size"]["tasks"]
    for launched in (horovod, servers):
        assert len(until(partial(allocations, launched), "the job in sacct")) == 1, "one allocation"
