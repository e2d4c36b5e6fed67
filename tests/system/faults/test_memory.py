"""Slurm kills processes that use more memory than their job requested."""

from __future__ import annotations

import pytest

from slurmtf import RunStatus
from slurmtf.job.contract.attempt.outcome import Cause
from tests.cluster import Cluster
from tests.system.slurm.support import wait_until_ended

from .support import Faults

pytestmark = pytest.mark.slurm

GREEDY = """
import time
held = []
while True:
    held.append(bytearray(40_000_000))
    time.sleep(0.2)
"""


def test_the_memory_that_was_asked_for_is_used_up(slurm: Cluster, faults: Faults) -> None:
    """With a step of its own, only the task is killed. Without one, the batch step is, and the supervisor with it."""
    with slurm.killing_for_memory():
        runs = [faults.lab.submit(GREEDY, memory="300M", launcher=launcher) for launcher in ("srun", "none", "spawn")]
        states = wait_until_ended(*runs)
    assert [(state.status, state.cause) for state in states] == [(RunStatus.FAILED, Cause.OUT_OF_MEMORY)] * 3, states
    for run in runs:
        death = faults.lab.data("why", run.id)["death"]
        assert death["class"] == "host-memory"
        assert "--with memory=" in death["command"]
