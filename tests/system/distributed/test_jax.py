"""JAX joins the processes of a run, also for Keras 3 with its JAX backend; a process that would train alone fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slurmtf.runs.states.state import RunStatus

from .examples import Examples, Launched, Results

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

JOB = "estimator: TensorFlow\nentry_script: train.py\ndistributed_backend: jax\nprocess_count_per_node: 2\ntime: 10\n"
NEVER_JOINED = "import jax\nprint(jax.numpy.ones(3).sum())\n"
KERAS_ON_TENSORFLOW = """
import keras, numpy
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(numpy.ones((8, 2)), numpy.ones(8), verbose=0)
"""
HEARTBEAT_S = 100
"""The seconds after which JAX itself notices (jax.distributed.initialize)."""
DIES = """
import os, jax
jax.distributed.initialize()
if jax.process_index() == 1:
    os._exit(3)
jax.experimental.multihost_utils.sync_global_devices("never")
"""


def assert_one_world(results: Results, size: int, alone: Results) -> None:
    ranks = list(results.values())
    assert [rank["rank"] for rank in ranks] == list(range(size))
    assert {rank["size"] for rank in ranks} == {rank["devices"] for rank in ranks} == {size}
    for name in {"weights", "loss"} & ranks[0].keys():
        assert len({rank[name] for rank in ranks}) == 1, name
    assert ranks[0]["loss"] == pytest.approx(alone["result-0"]["loss"], rel=1e-3)


def test_the_loss_equals_that_of_one_process(examples: Examples, jax: Path, jax_313: Path) -> None:
    """With Keras, here and on two nodes with another Python; with a plain JAX loop, by another launcher."""
    alone = {name: examples.start("local", name, jax, process_count_per_node=1) for name in ("keras3-jax", "jax-loop")}
    here = examples.start("local", "keras3-jax", jax)
    newer = examples.start("srun", "keras3-jax", jax_313)
    loop = examples.start("mpirun", "jax-loop", jax)
    assert_one_world(here.results(), 2, alone["keras3-jax"].results())
    assert_one_world(newer.results(), 4, alone["keras3-jax"].results())
    assert_one_world(loop.results(), 4, alone["jax-loop"].results())


def started(examples: Examples, folder: Path, script: str, python: Path, place: str = "srun") -> Launched:
    folder.mkdir()
    (folder / "job.yaml").write_text(JOB)
    (folder / "train.py").write_text(script)
    return examples.start(place, folder, python)


def test_processes_that_do_not_join_do_not_succeed(examples: Examples, jax: Path, tf_newest: Path, tmp_path: Path) -> None:
    lost = started(examples, tmp_path / "lost", NEVER_JOINED, jax)
    other = started(examples, tmp_path / "other", KERAS_ON_TENSORFLOW, tf_newest, "local")
    state = lost.end()
    assert (state.status, state.exit_code) == (RunStatus.FAILED, 78)
    assert re.search(r"\bJAX .*\b1 process.* 4 ", state.message)
    assert "keras.distribution.initialize()" in state.message
    state = other.end()
    assert (state.status, state.exit_code) == (RunStatus.FAILED, 78)
    assert "tensorflow" in state.message
    assert "KERAS_BACKEND=jax" in state.message


def test_a_dead_process_ends_the_run_within_seconds(examples: Examples, jax: Path, tmp_path: Path) -> None:
    run = started(examples, tmp_path / "dies", DIES, jax)
    state = run.end()
    assert (state.status, state.exit_code) == (RunStatus.FAILED, 3)
    (died,) = [event["time"] for event in run.events("task-ended") if event["exit_code"] == 3]
    assert state.ended is not None
    assert state.ended - died < HEARTBEAT_S
