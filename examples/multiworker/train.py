"""Synchronous training on several workers with MultiWorkerMirroredStrategy and Keras 2."""

import argparse
import hashlib
import json
from pathlib import Path

import tensorflow as tf
from sklearn.datasets import load_digits


def build() -> tf.keras.Model:
    layers = [tf.keras.Input((64,)), tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(10)]
    model = tf.keras.Sequential(layers)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(0.005), loss, ["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32, help="of each worker")
    arguments = parser.parse_args()
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else: it starts this task's server
    resolver = strategy.cluster_resolver
    batch_size = arguments.batch_size * strategy.num_replicas_in_sync
    digits = load_digits()
    data = tf.data.Dataset.from_tensor_slices((digits.data / 16.0, digits.target)).shuffle(2000, seed=1)
    steps = len(digits.data) // batch_size
    with strategy.scope():
        model = build()
    history = model.fit(data.repeat().batch(batch_size), epochs=arguments.epochs, steps_per_epoch=steps, verbose=2)
    weights = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
    result = {
        "role": f"{resolver.task_type}-{resolver.task_id}",
        "replicas": strategy.num_replicas_in_sync,
        "loss": history.history["loss"][-1],
        "weights": weights,
    }
    print(result)
    Path(f"outputs/result-{result['role']}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
