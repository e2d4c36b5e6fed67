"""Asynchronous training with parameter servers: a loop of one's own over ClusterCoordinator. One script for all roles."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import keras
import tensorflow as tf
from sklearn.datasets import load_digits

Resolver = tf.distribute.cluster_resolver.ClusterResolver


def serve(resolver: Resolver) -> None:
    """Be a worker or a parameter server: until we are ended, for TensorFlow never lets us go."""
    server = tf.distribute.Server(resolver.cluster_spec(), resolver.task_type, resolver.task_id, protocol="grpc")
    server.join()


def coordinate(resolver: Resolver, arguments: argparse.Namespace) -> dict[str, object]:
    """Be the chief: hand out the steps."""
    digits = load_digits()
    images, labels = digits.data.astype("float32") / 16, digits.target
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        layers = [keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)]
        model = keras.Sequential(layers)
        optimizer = keras.optimizers.SGD(arguments.learning_rate)
        optimizer.build(model.trainable_variables)
        steps = tf.Variable(0, dtype=tf.int64)

    def build_dataset() -> tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices((images, labels))
        return data.shuffle(2000).repeat().batch(arguments.batch_size)

    @tf.function(autograph=False)
    def train_step(iterator: tf.data.Iterator) -> tf.Tensor:
        def on_replica(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images, training=True))
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            steps.assign_add(1)
            return loss

        return strategy.run(on_replica, args=next(iterator))

    iterator = iter(coordinator.create_per_worker_dataset(build_dataset))
    losses = [coordinator.schedule(train_step, args=(iterator,)) for _ in range(arguments.steps)]
    coordinator.join()
    cluster = resolver.cluster_spec().as_dict()
    return {
        "workers": len(cluster["worker"]),
        "servers": len(cluster["ps"]),
        "loss": float(sum(loss.fetch() for loss in losses[-10:]) / 10),
        "steps": int(steps.numpy()),
        "device": steps.device,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    arguments = parser.parse_args()
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type in ("worker", "ps"):
        serve(resolver)
        return
    result = coordinate(resolver, arguments)
    print(result)
    Path("outputs/result-chief.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
