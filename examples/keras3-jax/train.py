"""Keras 3 on its JAX backend: model.fit over all devices of all processes, which JAX joins into one."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # Keras reads it when it is imported

import jax
import keras
from sklearn.datasets import load_digits

IMAGES = 1792  # as many for each process: those that make a different number of steps wait for ever


def build(learning_rate: float) -> keras.Model:
    layers = [keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64, help="of all processes together")
    parser.add_argument("--learning-rate", type=float, default=0.002)
    arguments = parser.parse_args()
    keras.distribution.initialize()  # slurmtf has told where; before anything else that uses a device
    keras.utils.set_random_seed(1)
    # Each process feeds its own part of each batch.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    rank, size = jax.process_index(), jax.process_count()
    digits = load_digits()
    images, labels = digits.data[rank:IMAGES:size] / 16.0, digits.target[rank:IMAGES:size]
    model = build(arguments.learning_rate)
    verbose = 2 if rank == 0 else 0
    share = arguments.batch_size // size
    history = model.fit(images, labels, share, arguments.epochs, shuffle=False, verbose=verbose)
    loss = float(history.history["loss"][-1])
    weights = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
    print(f"process {rank} of {size}, {jax.device_count()} devices: loss {loss:.3f}, weights {weights[:12]}")
    result = {"rank": rank, "size": size, "devices": jax.device_count(), "loss": loss, "weights": weights}
    Path(f"outputs/result-{rank}.json").write_text(json.dumps(result))
    keras.distribution.set_distribution(None)  # else save() waits for the others, which don't save
    if rank == 0:
        model.save("outputs/digits.keras")


if __name__ == "__main__":
    main()
