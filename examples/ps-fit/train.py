"""Asynchronous training with parameter servers by Keras's own model.fit (Keras 2). One script for all roles."""

import argparse
import json
from pathlib import Path

import tensorflow as tf
from sklearn.datasets import load_digits

BATCH = 32
STEPS = 30


def build_dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
    """Return the digits for one worker: all of them, in an order of its own."""
    digits = load_digits()
    data = tf.data.Dataset.from_tensor_slices((digits.data / 16.0, digits.target))
    return data.shuffle(2000).repeat().batch(context.get_per_replica_batch_size(BATCH))


def train(resolver: tf.distribute.cluster_resolver.ClusterResolver, epochs: int) -> dict[str, object]:
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    with strategy.scope():
        layers = [tf.keras.Input((64,)), tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(10)]
        model = tf.keras.Sequential(layers)
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(tf.keras.optimizers.SGD(0.1), loss, ["accuracy"])
    data = tf.keras.utils.experimental.DatasetCreator(build_dataset)
    history = model.fit(data, epochs=epochs, steps_per_epoch=STEPS, verbose=2)
    cluster = resolver.cluster_spec().as_dict()
    return {
        "workers": len(cluster["worker"]),
        "servers": len(cluster["ps"]),
        "loss": history.history["loss"][-1],
        "devices": sorted({variable.device for variable in model.trainable_variables}),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type in ("worker", "ps"):
        # join() never returns: slurmtf ends us when the chief is done.
        tf.distribute.Server(resolver.cluster_spec(), resolver.task_type, resolver.task_id, protocol="grpc").join()
    result = train(resolver, arguments.epochs)
    print(result)
    Path("outputs/result-chief.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
