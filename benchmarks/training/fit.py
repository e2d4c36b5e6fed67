"""model.fit: Keras 3 on JAX, Keras 2 under MultiWorkerMirroredStrategy and with Horovod."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

from common import BATCH, BLOCKS, RATE, SHAPES, STEPS, build_data, main

WARM_UP = 2


def build_model(keras: Any, optimizer: Any) -> Any:
    widths = [shape[1] for shape in SHAPES]
    layers = [keras.layers.Dense(width, activation="relu") for width in widths[:-1]]
    model = keras.Sequential([keras.Input((784,)), *layers, keras.layers.Dense(widths[-1])])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def measure_fit(keras: Any, model: Any, replicas: int, callbacks: tuple[Any, ...] = (), **wishes: Any) -> float:
    """Return images per second over all replicas: the median of all epochs but the first."""
    ends: list[float] = []

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, _epoch: int, _logs: Any = None) -> None:
            ends.append(time.perf_counter())

    model.fit(epochs=WARM_UP + BLOCKS, verbose=0, shuffle=False, callbacks=[*callbacks, Clock()], **wishes)
    taken = [end - begin for begin, end in zip(ends[WARM_UP - 1 :], ends[WARM_UP:])]
    return STEPS * BATCH * replicas / statistics.median(taken)


def train_with_jax() -> float | None:
    os.environ["KERAS_BACKEND"] = "jax"
    import jax
    import keras

    keras.distribution.initialize()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    images, labels = build_data(STEPS)
    model = build_model(keras, keras.optimizers.SGD(RATE))
    rate = measure_fit(keras, model, jax.process_count(), x=images, y=labels, batch_size=BATCH)
    return rate if jax.process_index() == 0 else None


def train_with_multiworker() -> float | None:
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    replicas = strategy.num_replicas_in_sync
    own = tf.data.Dataset.from_tensor_slices(build_data(STEPS)).repeat().batch(BATCH * replicas)
    with strategy.scope():
        model = build_model(tf.keras, tf.keras.optimizers.SGD(RATE))
    rate = measure_fit(tf.keras, model, replicas, x=own, steps_per_epoch=STEPS)
    return rate if strategy.cluster_resolver.task_id == 0 else None


def train_with_horovod() -> float | None:
    import horovod.tensorflow.keras as hvd
    import tensorflow as tf

    hvd.init()
    images, labels = build_data(STEPS)
    model = build_model(tf.keras, hvd.DistributedOptimizer(tf.keras.optimizers.SGD(RATE)))
    first = (hvd.callbacks.BroadcastGlobalVariablesCallback(0),)
    rate = measure_fit(tf.keras, model, hvd.size(), first, x=images, y=labels, batch_size=BATCH)
    return rate if hvd.rank() == 0 else None


if __name__ == "__main__":
    main({"jax": train_with_jax, "multiworker": train_with_multiworker, "horovod": train_with_horovod})
