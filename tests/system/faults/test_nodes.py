"""A power cut at one of the nodes: where the supervisor lives, and where it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.cluster import Cluster
from tests.system.faults.support import outcome_of

from .support import Faults, end_of, playing

pytestmark = pytest.mark.slurm

PLACES = {"other": ("node1,node2", "node2"), "supervisor": ("node3,node4", "node3")}


@pytest.fixture(scope="module")
def cuts(faults: Faults, slurm: Cluster) -> Iterator[dict[str, Run]]:
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
    yield runs
    for _, node in PLACES.values():
        slurm.start_node(node)


@pytest.mark.parametrize("place", PLACES)
def test_power_cut(place: str, cuts: dict[str, Run]) -> None:
    state = end_of(cuts[place])
    assert state.status is RunStatus.FAILED, state
    if state.cause == "task-lost":  # the kernel had time to close the connections of the dead
        assert (outcome_of(state).task, outcome_of(state).host) == ("worker-1", PLACES[place][1])
    else:
        assert state.cause == "node-failure", state
