"""TensorFlow's own resolver for Slurm, which assumes that a node's ranks are consecutive."""

from __future__ import annotations

from pathlib import Path

import pytest

from .examples import Examples

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

JOB = """\
entry_script: train.py
time: 10
distributed_training: {backend: multiworker, worker_count: 4}
"""
SCRIPT = """\
import json, os
import tensorflow as tf

resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(gpus_per_node=2, gpus_per_task=1, auto_set_gpu=False)
strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
with strategy.scope():
    weight = tf.Variable(1.0)
total = strategy.reduce("SUM", strategy.run(lambda: weight + 0.0), axis=None)
own = resolver.cluster_spec().as_dict()["worker"][resolver.task_id]
workers = resolver.cluster_spec().num_tasks("worker")
facts = {"sum": float(total), "address": own, "node": os.environ["SLURMD_NODENAME"], "workers": workers}
with open("outputs/result-{}.json".format(resolver.task_id), "w") as file:
    json.dump(facts, file)
"""


def test_the_resolver_finds_several_workers_on_each_node(examples: Examples, tf_classic: Path, tmp_path: Path) -> None:
    for name, text in (("job.yaml", JOB), ("train.py", SCRIPT)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    results = examples.start("srun", tmp_path, tf_classic, node_count=2).results()
    assert len(results) == 4
    for facts in results.values():
        assert (facts["sum"], facts["workers"]) == (4.0, 4)
        assert facts["address"].split(":")[0] == facts["node"]
