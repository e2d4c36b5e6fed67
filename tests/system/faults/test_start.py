"""Tasks that connect late, and one that never does."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from slurmtf import Environment, ParameterServer, RunStatus
from slurmtf.job.contract.attempt.outcome import Cause
from tests.cluster import Cluster
from tests.integration.job.jobs import many, new_job
from tests.patience import until
from tests.system.faults.support import get_outcome
from tests.system.slurm.support import read_journal, write_program

from .support import ACTOR, Faults, assert_completed, end_of, gated_python, gave_up_at_once, wait_for_process

pytestmark = pytest.mark.slurm

LATE_S = 4.0


@pytest.mark.parametrize("target", ["slurm", "local"])
def test_a_late_task_is_waited_for(target: str, faults: Faults, tmp_path: Path) -> None:
    """No script starts before all tasks know the cluster, and none gives up."""
    python = Environment(python=gated_python(tmp_path))
    distribution = ParameterServer(2, 1, layout="original")
    nodes = 2 if target == "slurm" else 1
    acts = {"worker": "work(after=('ps-0',))"}
    run = faults.submit(distribution, acts, compute_target=target, node_count=nodes, environment_definition=python)
    wait_for_process(run, "task", 0)
    time.sleep(LATE_S)
    assert "task-started" not in {event["event"] for event in read_journal(run)}
    (tmp_path / "gate").touch()
    assert_completed(end_of(run))


@pytest.mark.parametrize("target", ["slurm", "local"])
def test_an_agent_may_stall_for_seconds(target: str, faults: Faults) -> None:
    """A task's agent makes no progress for some seconds, as on a very busy node."""
    nodes = 2 if target == "slurm" else 1
    acts = {"worker": "work(after=('ps-0', 'stopped'))", "ps": "serve()"}
    run = faults.submit(ParameterServer(2, 1, layout="original"), acts, compute_target=target, node_count=nodes)
    agent = wait_for_process(run, "task", 2)
    agent.kill(signal.SIGSTOP)
    (run.folder / "outputs/stopped.here").touch()
    time.sleep(LATE_S)
    agent.kill(signal.SIGCONT)
    assert_completed(end_of(run))
    until(lambda: not Path(f"/proc/{agent.pid}").exists(), "the agent's end")


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_an_interpreter_missing_on_one_node_is_reported(
    launcher: str, faults: Faults, slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    folder = tmp_path / "bin"
    python = write_program(folder / "python", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    slurm.hide("node2", folder)
    try:
        variables = {"node_count": 2, "sbatch": {"nodelist": "node1,node2"}, "launcher": launcher}
        software = Environment(python=str(python))
        run = faults.submit(ParameterServer(1, 1, layout="original"), {}, environment_definition=software, **variables)
        state = end_of(run)
    finally:
        slurm.show("node2", folder)
    assert (state.status, state.cause) == (RunStatus.FAILED, "launcher"), state
    outcome = get_outcome(state)
    assert (outcome.detail["launcher"], outcome.log) == (launcher, "logs/job.log")
    assert "worker-0" in outcome.detail["missing"], "the other had no time to report, perhaps"
    job_log = (run.folder / "logs/job.log").read_text()
    assert "node2" in job_log, job_log
    assert (str(python) if launcher == "mpirun" else "node2: task 1: Exited with exit code 2") in job_log, job_log  # ENOENT
    assert gave_up_at_once(run)


def test_an_agent_that_can_not_start_on_this_machine_is_reported(here: Faults, tmp_path: Path) -> None:
    python = gated_python(tmp_path)
    Path(python).write_text(Path(python).read_text().replace("while [ ! -e", "exit 9; while [ ! -e"))
    run = here.submit(ParameterServer(2, 1, layout="original"), {}, environment_definition=Environment(python=python))
    state = end_of(run)
    assert (state.status, state.cause, state.exit_status) == (RunStatus.FAILED, "launcher", 9), state
    outcome = get_outcome(state)
    assert (outcome.detail["launcher"], outcome.exit_code) == ("spawn", 9)
    assert "worker-0" in outcome.detail["missing"], "the others had no time to report, perhaps"
    assert gave_up_at_once(run)


def test_a_task_that_never_connects_fails_the_run(tmp_path: Path) -> None:
    """Its agent stands still; the others do not wait for it until the time limit."""
    job = new_job(tmp_path, ACTOR)
    many(job, 3)
    job.change_plan(timings__start=5)
    python = gated_python(tmp_path)
    job.agent_python = python
    job.launcher = [python, "-I", job.layout.agent, "spawn", "3", "--"]
    try:
        assert job.run() == 1
        assert job.outcome.cause is Cause.NOT_CONNECTED
        assert job.outcome.detail == {"missing": ["worker-1"], "waited_s": 5}
        assert not job.events("task-started")
        job.await_nobody()
    finally:
        job.clean_up()
