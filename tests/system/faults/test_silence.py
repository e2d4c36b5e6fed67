"""A node that falls silent: a cable is pulled, and no connection is told of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.cluster import Cluster
from tests.system.faults.support import outcome_of

from .support import Faults, end_of, playing

pytestmark = pytest.mark.slurm

NOTICED_S = 600.0
"""Slurm notices after 20 to 30 s here (SlurmdTimeout=20; by default 300), the connections of ours after a minute; left alone,
the kernel's give up after 924 s (ip-sysctl: tcp_retries2)."""
PLACES = {"slurm": ("node1,node2", "node2"), "ours": ("node3,node4", "node4")}
UNKILLED: dict[str, Any] = {"no-kill": True}
"""Slurm leaves a job be whose node fails, in which the verdict is ours alone."""


class Cut(NamedTuple):
    run: Run
    at: float


@pytest.fixture(scope="module")
def cuts(faults: Faults, slurm: Cluster) -> Iterator[dict[str, Cut]]:
    runs = {}
    for name, (nodes, _) in PLACES.items():
        unkilled = UNKILLED if name == "ours" else {}
        sbatch = {"nodelist": nodes, "no-requeue": True, **unkilled}
        layout = ParameterServer(2, 1, layout="original")
        runs[name] = faults.submit(layout, {}, node_count=2, sbatch=sbatch, srun=unkilled)
    for run in runs.values():
        playing(run, "ps-0", "worker-0", "worker-1")
    for _, node in PLACES.values():
        slurm.cut_link(node)
    at = time.monotonic()
    yield {name: Cut(run, at) for name, run in runs.items()}
    for _, node in PLACES.values():
        slurm.start_node(node)


@pytest.mark.parametrize("noticed_by", PLACES)
def test_silence(noticed_by: str, cuts: dict[str, Cut]) -> None:
    run, at = cuts[noticed_by]
    node = PLACES[noticed_by][1]
    state = end_of(run)  # the tasks of the silent node end themselves
    assert time.monotonic() - at < NOTICED_S
    assert state.status is RunStatus.FAILED, state
    if noticed_by == "slurm":
        assert (state.cause, outcome_of(state).host) == ("node-failure", node), state
    else:
        assert (state.cause, outcome_of(state).task, outcome_of(state).host) == ("task-lost", "worker-1", node), state
