"""Scripts that find their cluster in TF_CONFIG or in flags: parameter servers, several workers, estimators, TensorFlow 1.

Each example trains on two nodes with one TensorFlow, and on this machine with another; across the examples, each TensorFlow
does both.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from .examples import Examples, Launched, Results

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]


def assert_served(launched: Launched, loss: float) -> dict[str, Any]:
    """Check that the chief trained with two workers and a server, and that these were ended after it."""
    (chief,) = launched.results().values()
    assert (chief["workers"], chief["servers"]) == (2, 1)
    assert chief["loss"] < loss
    assert_all_ended(launched)
    return chief


def assert_all_ended(launched: Launched) -> None:
    ends = launched.events("task-ended")
    assert len(ends) == launched.run.plan["job"]["size"]["tasks"]
    assert signal.SIGKILL not in [end["signal"] for end in ends], "nobody outlived its grace"


def assert_same(results: Results, workers: int) -> None:
    assert len(results) == workers
    assert {result["replicas"] for result in results.values()} == {workers}
    assert len({result["weights"] for result in results.values()}) == 1
    assert all(result["loss"] < 1.5 for result in results.values())


def test_a_training_loop_runs_over_a_coordinator(examples: Examples, tf_classic: Path, tf_newest: Path) -> None:
    classic = examples.start("srun", "ps-loop", tf_classic)
    newest = examples.start("local", "ps-loop", tf_newest)
    for launched in (classic, newest):
        chief = assert_served(launched, 1.5)
        assert chief["steps"] == 100
        assert "/job:ps/" in chief["device"]
        assert launched.run.plan["job"]["distribution"]["layout"] == "chief"


def test_fit_runs_with_parameter_servers(examples: Examples, tf_classic: Path, tf_newest: Path) -> None:
    newest = examples.start("srun", "ps-fit", tf_newest, legacy_keras=True)
    classic = examples.start("local", "ps-fit", tf_classic)
    for launched in (newest, classic):
        assert all("/job:ps/" in device for device in assert_served(launched, 2.0)["devices"])


def test_several_workers_train_one_model(examples: Examples, tf_classic: Path, tf_newest: Path) -> None:
    chief = {"backend": "multiworker", "worker_count": 2, "chief": True}
    counts: dict[str, Any] = {"distributed_backend": None, "worker_count": None}
    newest = examples.start("srun", "multiworker", tf_newest, legacy_keras=True)
    local = examples.start("local", "multiworker", tf_classic, distributed_training=chief, **counts)
    for launched in (newest, local):
        assert_same(launched.results(), 2)
    assert set(local.results()) == {"result-chief-0", "result-worker-0"}


LAST_STEPS = range(200, 203)
"""Chief and worker count steps together, so each may still be in a step when the last one is reached."""


def test_an_estimator_runs_with_chief_and_evaluator(examples: Examples, tf_classic: Path) -> None:
    cluster = examples.start("srun", "estimator", tf_classic)
    local = examples.start("local", "estimator", tf_classic)
    for launched in (cluster, local):
        results = launched.results()
        chief = results["result-chief-0"]
        assert chief["step"] in LAST_STEPS
        assert chief["servers"] == 1
        assert chief["loss"] < 1.5
        assert results["result-evaluator-0"]["step"] in LAST_STEPS  # it is given time for its last evaluation
        assert_all_ended(launched)


def test_a_cluster_is_passed_by_flags(examples: Examples, tf_classic: Path, tf_newest: Path, tf1: Path) -> None:
    started = {
        "1.15.5": examples.start("srun", "tf1-replica", tf1),
        "2.15.1": examples.start("srun", "tf1-replica", tf_classic),
        "2.21.0": examples.start("local", "tf1-replica", tf_newest),
    }
    for version, launched in started.items():
        results = launched.results()
        assert list(results) == ["result-worker-0", "result-worker-1"]
        for worker in results.values():
            assert (worker["tensorflow"], worker["workers"], worker["servers"]) == (version, 2, 1)
            assert worker["slope"] == pytest.approx(3, abs=0.05)
        assert 390 < max(worker["global_step"] for worker in results.values()) <= 400  # workers count without a lock
        assert "tf.train.Server" in launched.run.plan["provenance"]["choice"]
