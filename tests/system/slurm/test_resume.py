"""The examples that resume: whatever interrupts an attempt, each step has the same loss as in an undisturbed run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Experiment, Run, RunStatus
from slurmtf.estimator.document import from_document, read_job_file
from slurmtf.runs.metrics.reading import read_entries
from tests.cluster import Cluster
from tests.patience import until
from tests.system.faults.support import processes

from .conftest import lab_at
from .support import HELLO, Lab, read_journal, wait_until_ended

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

EXAMPLES = Path(__file__).parents[3] / "examples"
EPOCHS, STEPS = 6, 60
PAUSE_S = 4
"""Pause in each epoch, so that the time limit of a minute (less what the supervisor reserves) comes before the last one."""
KILLED = {"resume-loop": "tf_newest", "resume-estimator": "tf_classic", "resume-horovod": "tf_newest"}
"""The examples whose processes are killed, with their environments."""
TASK = {"resume-horovod": "rank-0"}


def submitted(lab: Lab, example: str, python: Path, **settings: Any) -> Run:
    job = EXAMPLES / example / "job.yaml"
    wishes = {"environment_definition": Environment(python=str(python)), **settings}
    return Experiment("resume", lab.workspace).submit(from_document(read_job_file(job), job.parent, wishes))


def losses(run: Run, example: str) -> list[tuple[int, float]]:
    """Return each logged step with its loss; a repeated step appears twice."""
    logged = read_entries(run.layout, TASK.get(example, "main-0"))
    return [(entry.step or 0, float(entry.value)) for entry in logged if entry.name == "loss"]


def same_curve(disturbed: Run, plain: Run, example: str, steps: range) -> None:
    known, found = dict(losses(plain, example)), losses(disturbed, example)
    assert list(known) == list(steps) == sorted({step for step, _ in found})
    assert [loss for _, loss in found] == pytest.approx([known[step] for step, _ in found], rel=1e-6)
    assert len(set(known.values())) == len(known)


def reasons(run: Run) -> list[str]:
    return [one["cause"] for one in read_journal(run) if one["event"] == "restart"]


def after(run: Run, example: str, step: int) -> None:
    """Wait until that step, or a later one, is logged."""
    until(lambda: any(one >= step for one, _ in losses(run, example)), f"step {step} of {run.id}")


def kill_script(run: Run) -> None:
    script = next(one for one in processes(run) if one.mode == "script" and one.rank == 0 and "train.py" in one.words)
    os.kill(script.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def lab(slurm: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        yield lab_at(slurm, tmp_path_factory.mktemp("resume"), patch)


@pytest.fixture(scope="module")
def on_slurm(slurm: Cluster, lab: Lab, tf_newest: Path) -> dict[str, Run]:
    """Submit four Keras runs, and disturb three of them. They continue while other tests run."""

    def training(pause: float, node: str, **settings: Any) -> Run:
        own = {"script_params": {"--epochs": EPOCHS, "--pause": pause}, "sbatch": {"nodelist": node}}
        return submitted(lab, "resume", tf_newest, **{"compute_target": "slurm", **own, **settings})

    limited = training(PAUSE_S, "node1", time=1, notice={"before": 5}, restarts={"time-limit": "unlimited"})
    preempted = training(PAUSE_S, "node2", partition="low", exclusive=True)
    lost = training(PAUSE_S, "node3", exclusive=True)
    after(preempted, "resume", 1)
    lab.submit(HELLO, partition="high", exclusive=True, sbatch={"nodelist": "node2"})
    after(lost, "resume", 1)
    slurm.start_node("node3")  # the node reboots, as after a power cut
    return {"limited": limited, "preempted": preempted, "lost": lost, "plain": training(0, "node4")}


@pytest.mark.usefixtures("on_slurm")
@pytest.mark.parametrize("example", KILLED)
def test_a_killed_script_resumes_with_the_same_curve(lab: Lab, example: str, request: pytest.FixtureRequest) -> None:
    python = request.getfixturevalue(KILLED[example])
    steps = {"--steps": STEPS}
    slowly = {**steps, "--pause": 0.2}
    disturbed = submitted(lab, example, python, compute_target="local", script_params=slowly, restarts={"script": 1})
    plain = submitted(lab, example, python, compute_target="local", script_params=steps)
    after(disturbed, example, 23)
    kill_script(disturbed)
    states = wait_until_ended(plain, disturbed)
    assert [(state.status, state.message) for state in states] == [(RunStatus.COMPLETED, "")] * 2
    assert reasons(disturbed) == ["script"]
    same_curve(disturbed, plain, example, range(1, STEPS + 1))


def test_a_preemption_a_dead_node_and_a_time_limit(on_slurm: dict[str, Run]) -> None:
    states = wait_until_ended(*on_slurm.values())
    assert [(state.status, state.message) for state in states] == [(RunStatus.COMPLETED, "")] * 4
    assert set(reasons(on_slurm["limited"])) == {"time-limit"}
    assert reasons(on_slurm["preempted"]) == ["preempted"]
    assert [one["attempt"] for one in read_journal(on_slurm["lost"]) if one["event"] == "started"] == [0, 1]
    for disturbed in ("limited", "preempted", "lost"):
        same_curve(on_slurm[disturbed], on_slurm["plain"], "resume", range(EPOCHS))
