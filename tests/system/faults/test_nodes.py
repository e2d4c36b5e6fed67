"""Nodes that are lost by a power cut (with or without the supervisor on them), and one that falls silent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.cluster import Cluster
from tests.system.faults.support import get_outcome

from .support import Faults, end_of, wait_for_scripts

pytestmark = pytest.mark.slurm

NOTICED_S = 600.0
"""Slurm notices after 20 to 30 s here (SlurmdTimeout=20; by default 300), slurmtf's connections after a minute. With the
kernel's
defaults, connections give up after 924 s (ip-sysctl: tcp_retries2)."""
DEAD, SILENT = "node2", "node4"
CUTS = {"other": f"node1,{DEAD}", "supervisor": f"{DEAD},node3"}
SILENCE = {"slurm": f"node3,{SILENT}", "ours": f"node3,{SILENT}"}
UNKILLED: dict[str, Any] = {"no-kill": True}
"""Slurm leaves such a job running if one of its nodes fails, so only slurmtf decides."""


class Lost(NamedTuple):
    run: Run
    at: float


@pytest.fixture(scope="module")
def lost(faults: Faults, slurm: Cluster) -> Iterator[dict[str, Lost]]:
    """Start all runs, then cut the nodes off. All at once, because each loss takes half a minute to be noticed."""
    runs = {}
    for name, nodes in {**CUTS, **SILENCE}.items():
        unkilled = UNKILLED if name == "ours" else {}
        sbatch = {"nodelist": nodes, "no-requeue": True, **unkilled}
        layout = ParameterServer(2, 1, layout="original")
        runs[name] = faults.submit(layout, {}, node_count=2, sbatch=sbatch, srun=unkilled)
    for run in runs.values():
        wait_for_scripts(run, "ps-0", "worker-0", "worker-1")
    slurm.cut_link(SILENT)
    slurm.kill_node(DEAD)
    at = time.monotonic()
    yield {name: Lost(run, at) for name, run in runs.items()}
    for node in (DEAD, SILENT):
        slurm.start_node(node)


@pytest.mark.parametrize("place", CUTS)
def test_a_power_cut_fails_the_run(place: str, lost: dict[str, Lost]) -> None:
    state = end_of(lost[place].run)
    assert state.status is RunStatus.FAILED, state
    if state.cause == "task-lost":  # the kernel had time to close the dead processes' connections
        assert (get_outcome(state).task, get_outcome(state).host) == ("worker-1", DEAD)
    else:
        assert state.cause == "node-failure", state


@pytest.mark.parametrize("noticed_by", SILENCE)
def test_a_disconnected_node_fails_the_run(noticed_by: str, lost: dict[str, Lost]) -> None:
    """No connection is closed by it."""
    run, at = lost[noticed_by]
    state = end_of(run)  # the tasks of the silent node end themselves
    assert time.monotonic() - at < NOTICED_S
    assert state.status is RunStatus.FAILED, state
    if noticed_by == "slurm":
        assert (state.cause, get_outcome(state).host) == ("node-failure", SILENT), state
    else:
        assert (state.cause, get_outcome(state).task, get_outcome(state).host) == ("task-lost", "worker-1", SILENT), state
