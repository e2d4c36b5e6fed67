"""A power cut at one of the nodes: where the supervisor lives, and where it does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.cluster import Cluster
from tests.system.faults.support import outcome_of

from .support import Faults, end_of, playing

pytestmark = pytest.mark.slurm

PATIENCE_S = 60.0
"""Slurm takes 20 to 30 s to notice (SlurmdTimeout=20), and KillWait=10 to end what is left."""
PLACES = {"other": ("node1,node2", "node2"), "supervisor": ("node3,node4", "node3")}


class Cut(NamedTuple):
    run: Run
    at: float


@pytest.fixture(scope="module")
def cuts(faults: Faults, slurm: Cluster) -> Iterator[dict[str, Cut]]:
    runs = {
        name: faults.submit(
            ParameterServer(2, 1, layout="original"), {}, node_count=2, sbatch={"nodelist": nodes, "no-requeue": True}
        )
        for name, (nodes, _) in PLACES.items()
    }
    for run in runs.values():
        playing(run, "ps-0", "worker-0", "worker-1")
    for _, node in PLACES.values():
        slurm.kill_node(node)
    at = time.monotonic()
    yield {name: Cut(run, at) for name, run in runs.items()}
    for _, node in PLACES.values():
        slurm.start_node(node)


@pytest.mark.parametrize("place", PLACES)
def test_power_cut(place: str, cuts: dict[str, Cut]) -> None:
    run, at = cuts[place]
    state = end_of(run, seconds=PATIENCE_S, left_s=PATIENCE_S)
    assert time.monotonic() - at < 2 * PATIENCE_S
    assert state.status is RunStatus.FAILED, state
    if state.cause == "task-lost":  # the kernel had time to close the connections of the dead
        assert (outcome_of(state).task, outcome_of(state).host) == ("worker-1", PLACES[place][1])
    else:
        assert state.cause == "node-failure", state
