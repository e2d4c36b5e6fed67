"""Tasks that are late, and one that never comes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slurmtf import Environment, ParameterServer
from tests.slurm.support import until

from .support import Faults, completed, end_of, gated_python, the

pytestmark = pytest.mark.slurm

LATE_S = 5.0


@pytest.mark.parametrize("target", ["slurm", "local"])
def test_one_task_is_late(target: str, faults: Faults, tmp_path: Path) -> None:
    """Nobody's script starts before all know the cluster, and nobody gives up."""
    python = Environment(python=gated_python(tmp_path))
    distribution = ParameterServer(2, 1, layout="original")
    nodes = 2 if target == "slurm" else 1
    acts = {"worker": "work(after=('ps-0',))"}
    run = faults.submit(distribution, acts, compute_target=target, node_count=nodes, environment_definition=python)
    the(run, "task", 0)
    time.sleep(LATE_S)
    assert "task-started" not in Path(run.layout.journal).read_text()
    (tmp_path / "gate").touch()
    completed(end_of(run))


@pytest.mark.parametrize("target", ["slurm", "local"])
def test_an_agent_stands_still(target: str, faults: Faults) -> None:
    """A node that is so busy that a task's agent does not get on for some seconds."""
    import signal

    nodes = 2 if target == "slurm" else 1
    acts = {"worker": "work(after=('ps-0',))", "ps": "serve()"}
    run = faults.submit(ParameterServer(2, 1, layout="original"), acts, compute_target=target, node_count=nodes)
    agent = the(run, "task", 2)
    agent.kill(signal.SIGSTOP)
    time.sleep(LATE_S)
    agent.kill(signal.SIGCONT)
    completed(end_of(run))
    until(lambda: not Path(f"/proc/{agent.pid}").exists(), "the agent's end")
