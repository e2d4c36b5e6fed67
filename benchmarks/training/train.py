"""One training for all modes that tells its images per second. Run by benchmarks/throughput.py; not an example."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import Any

import numpy as np
import tensorflow as tf

BATCH, WARM_UP, BLOCKS, STEPS, WIDTH = 64, 20, 9, 25, 512


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.random((BATCH, 784), np.float32), random.integers(0, 10, BATCH)


def variables() -> list[Any]:
    shapes = [(784, WIDTH), (WIDTH, WIDTH), (WIDTH, 10)]
    return [tf.Variable(tf.random.stateless_normal(shape, (1, 2)) * 0.05) for shape in shapes]


def loss_of(weights: list[Any], images: Any, labels: Any) -> Any:
    hidden = tf.nn.relu(tf.nn.relu(images @ weights[0]) @ weights[1])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, hidden @ weights[2]))


def timed(step: Any, replicas: int) -> float:
    """Return images per second over all replicas: the median of blocks of steps, which a busy moment does not move."""
    for _ in range(WARM_UP):
        step()
    taken = []
    for _ in range(BLOCKS):
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        taken.append(time.perf_counter() - began)
    return STEPS * BATCH * replicas / statistics.median(taken)


def horovod() -> float | None:
    import horovod.tensorflow as hvd

    hvd.init()
    images, labels = data()
    weights = variables()

    @tf.function(autograph=False)
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(weights, images, labels)
        for weight, gradient in zip(weights, hvd.DistributedGradientTape(tape).gradient(loss, weights)):
            weight.assign_sub(0.01 * gradient)

    rate = timed(step, hvd.size())
    return rate if hvd.rank() == 0 else None


def multiworker() -> float | None:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    images, labels = data()
    with strategy.scope():
        weights = variables()

    @tf.function(autograph=False)
    def step() -> None:
        def on_replica() -> None:
            with tf.GradientTape() as tape:
                loss = loss_of(weights, images, labels)
            context = tf.distribute.get_replica_context()
            for weight, gradient in zip(weights, context.all_reduce("mean", tape.gradient(loss, weights))):
                weight.assign_sub(0.01 * gradient)

        strategy.run(on_replica)

    rate = timed(step, strategy.num_replicas_in_sync)
    return rate if strategy.cluster_resolver.task_id == 0 else None


def single() -> float | None:
    images, labels = data()
    weights = variables()

    @tf.function(autograph=False)
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(weights, images, labels)
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(0.01 * gradient)

    return timed(step, 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("single", "horovod", "multiworker"))
    parser.add_argument("result")
    arguments = parser.parse_args()
    rate = globals()[arguments.mode]()
    if rate is not None:
        threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}
        with open(arguments.result, "w") as file:
            json.dump({"images_per_second": rate, **threads}, file)


if __name__ == "__main__":
    main()
