"""Trials that are more than one process: side by side in an element, preempted and resumed, on several nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Experiment, GridParameterSampling, RunStatus, Sweep, TensorFlow, choice
from slurmtf.job.contract.sweep.records import COMPLETED
from slurmtf.tune.run import SweepRun
from tests.patience import until

from .support import Lab, call

pytestmark = pytest.mark.slurm

LOG = """
import argparse, os, pathlib, time
from slurmtf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--resume-from")
arguments = parser.parse_args()
def log(value):
    Run.get_context().log("score", value)
"""


def submitted(lab: Lab, script: str, xs: list[int], estimator: dict[str, Any], **settings: Any) -> SweepRun:
    wanted = TensorFlow(lab.source(script), **{"compute_target": lab.target, "time": 5, **estimator})
    space = {"x": choice(xs), **settings.pop("space", {})}
    sweep = Sweep(wanted, GridParameterSampling(space), "score", "maximize", 100, **settings)
    return Experiment("trials", lab.workspace).submit(sweep)  # type: ignore[return-value]


def completed(run: SweepRun) -> None:
    until(lambda: run.state.status.final, f"the end of {run.id}")
    assert run.state.status is RunStatus.COMPLETED, run.state.message
    assert {trial.result.status for trial in run.facts.trials if trial.result} == {COMPLETED}


SIDE_BY_SIDE = (
    LOG
    + """
began = time.time()
run, trial = os.environ["SLURMTF_RUN_FOLDER"], int(os.environ["SLURMTF_TRIAL"])
open(run + "/begun-%d" % trial, "w").close()
while sum(name.startswith("begun-") for name in os.listdir(run)) < 2 * (trial // 2 + 1) and time.time() < began + 600:
    time.sleep(0.1)  # for the one that has the other place: each place has two
log(arguments.x)
print(began, time.time(), os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"])
"""
)
# Saves its state and keeps running; restarted, it continues from what it saved.
SAVES = (
    LOG
    + """
state = pathlib.Path(arguments.resume_from or "outputs", "state")
if state.exists():
    log(arguments.x + int(state.read_text()))
else:
    pathlib.Path("outputs/state").write_text("10")
    time.sleep(3600)
"""
)


def test_trials_share_the_gpus_of_an_element_and_survive_preemption(lab: Lab) -> None:
    low = {"partition": "low", "exclusive": True, "sbatch": {"nodelist": "node3", "requeue": True}}
    preempted = submitted(lab, SAVES, [1], low, resume_trials=True)
    gpus = {"gpus_per_node": 2, "cpus_per_task": 2, "sbatch": {"nodelist": "node1"}}
    shared = submitted(lab, SIDE_BY_SIDE, [1, 2, 3, 4], gpus, trials_per_element=2, elements=1)
    until((preempted.folder / "trials/0/outputs/state").exists, "what the trial has saved")
    call("sbatch", "--partition=high", "--exclusive", "--nodelist=node3", "--output=/dev/null", "--wrap=true")

    completed(shared)
    printed = [(Path(child.layout.logs) / "main-0.out").read_text().split() for child in shared.get_children()]
    assert {threads for *_, threads in printed} == {"1"}
    assert sorted(devices for _, _, devices, _ in printed) == ["0", "0", "1", "1"]
    spans = sorted((float(began), float(ended), devices) for began, ended, devices, _ in printed)
    assert spans[1][0] < spans[0][1], "the second one began after the first one's end"
    assert spans[0][2] != spans[1][2]

    completed(preempted)
    (trial,) = preempted.facts.trials
    assert (trial.curve, trial.attempt) == ((11.0,), 1)


RANKS = (
    LOG
    + """
import horovod.tensorflow as hvd
import tensorflow as tf
hvd.init()
log(float(hvd.allreduce(tf.constant(arguments.x * (hvd.rank() + 1)), op=hvd.Sum, name="total")))
print(os.uname().nodename)
"""
)


@pytest.mark.tensorflow
def test_each_trial_is_a_horovod_job_of_two_nodes(lab: Lab, tf_classic: Path) -> None:
    ranks = {"node_count": 2, "distributed_backend": "mpi", "environment_definition": Environment(python=str(tf_classic))}
    run = submitted(lab, RANKS, [1, 2], ranks, elements=1)
    completed(run)
    assert [trial.curve for trial in run.facts.trials] == [(3.0,), (6.0,)]
    for child in run.get_children():
        assert len({(Path(child.layout.logs) / f"rank-{rank}.out").read_text().split()[-1] for rank in (0, 1)}) == 2


# A parameter server is ended once the workers have ended, so these wait until it has started.
CLUSTER = (
    LOG
    + """
import json
config = json.loads(os.environ["TF_CONFIG"])
print(os.uname().nodename, os.environ["SLURM_CPUS_PER_TASK"], flush=True)
if config["task"]["type"] == "ps":
    pathlib.Path("outputs/served").touch()
    time.sleep(3600)
while not os.path.exists("outputs/served"):
    time.sleep(0.1)
log(10 * len(config["cluster"]["ps"]) + len(config["cluster"]["worker"]) + arguments.x)
"""
)


def test_trials_divide_two_nodes_as_their_settings_say(lab: Lab) -> None:
    space = {"estimator.worker_count": choice(1, 2, 3), "estimator.cpus_per_task": choice(1)}
    wanted = {"node_count": 2, "distributed_backend": "ps", "worker_count": 3, "cpus_per_task": 2}
    run = submitted(lab, CLUSTER, [0], wanted, elements=1, space=space)
    completed(run)
    assert [trial.curve for trial in run.facts.trials] == [(11.0,), (12.0,), (13.0,)]
    for count, child in zip((1, 2, 3), run.get_children(), strict=True):
        printed = {task: (Path(child.layout.logs) / f"{task}.out").read_text().split() for task in child.tasks}
        assert sorted(printed) == ["ps-0", *(f"worker-{number}" for number in range(count))]
        assert len({node for node, _ in printed.values()}) == 2
        assert {cpus for _, cpus in printed.values()} == {"1"}
