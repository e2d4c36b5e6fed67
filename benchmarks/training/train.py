"""A custom training loop in TensorFlow 2: alone, with Horovod, and under TensorFlow's strategies."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from common import RATE, build_data, build_weights, main, measure_rate


def build_variables() -> list[Any]:
    return [tf.Variable(value) for value in build_weights()]


def compute_loss(weights: list[Any], images: Any, labels: Any) -> Any:
    hidden = tf.nn.relu(tf.nn.relu(images @ weights[0]) @ weights[1])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, hidden @ weights[2]))


def train_with_horovod() -> float | None:
    import horovod.tensorflow as hvd

    hvd.init()
    images, labels = build_data()
    weights = build_variables()

    @tf.function(autograph=False)
    def train_step() -> None:
        with tf.GradientTape() as tape:
            loss = compute_loss(weights, images, labels)
        for weight, gradient in zip(weights, hvd.DistributedGradientTape(tape).gradient(loss, weights)):
            weight.assign_sub(RATE * gradient)

    rate = measure_rate(train_step, hvd.size())
    return rate if hvd.rank() == 0 else None


def train_with_multiworker() -> float | None:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    images, labels = build_data()
    with strategy.scope():
        weights = build_variables()

    @tf.function(autograph=False)
    def train_step() -> None:
        def on_replica() -> None:
            with tf.GradientTape() as tape:
                loss = compute_loss(weights, images, labels)
            context = tf.distribute.get_replica_context()
            for weight, gradient in zip(weights, context.all_reduce("mean", tape.gradient(loss, weights))):
                weight.assign_sub(RATE * gradient)

        strategy.run(on_replica)

    rate = measure_rate(train_step, strategy.num_replicas_in_sync)
    return rate if strategy.cluster_resolver.task_id == 0 else None


def train_with_parameter_servers() -> float | None:
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type in ("worker", "ps"):
        tf.distribute.Server(resolver.cluster_spec(), resolver.task_type, resolver.task_id, protocol="grpc").join()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        weights = build_variables()
    images, labels = build_data()

    @tf.function(autograph=False)
    def train_step() -> None:
        def on_replica() -> None:
            with tf.GradientTape() as tape:
                loss = compute_loss(weights, images, labels)
            for weight, gradient in zip(weights, tape.gradient(loss, weights)):
                weight.assign_sub(RATE * gradient)

        strategy.run(on_replica)

    workers = len(resolver.cluster_spec().as_dict()["worker"])

    def schedule_step_for_each() -> None:
        for _ in range(workers):
            coordinator.schedule(train_step)

    return measure_rate(schedule_step_for_each, workers, coordinator.join)


def train_alone() -> float | None:
    images, labels = build_data()
    weights = build_variables()

    @tf.function(autograph=False)
    def train_step() -> None:
        with tf.GradientTape() as tape:
            loss = compute_loss(weights, images, labels)
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(RATE * gradient)

    return measure_rate(train_step, 1)


if __name__ == "__main__":
    main(
        {
            "single": train_alone,
            "horovod": train_with_horovod,
            "multiworker": train_with_multiworker,
            "ps": train_with_parameter_servers,
        }
    )
