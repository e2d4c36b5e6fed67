"""Keras 3 with Horovod: horovod.tensorflow.keras knows Keras 2 only, but what it does is little, and here it is."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import horovod.tensorflow as hvd
import keras
import tensorflow as tf
from sklearn.datasets import load_digits


def make_distributed(base: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """Return an optimizer that averages the gradients over all ranks before it applies them."""

    class Distributed(base):
        def apply(self, grads: list[tf.Tensor], trainable_variables: Any = None) -> None:
            super().apply(hvd.grouped_allreduce(grads), trainable_variables)

    # Under the name of its base a saved model can be loaded without Horovod.
    Distributed.__name__, Distributed.__qualname__, Distributed.__module__ = base.__name__, base.__qualname__, base.__module__
    return Distributed


class Together(keras.callbacks.Callback):
    """Gives all ranks the state of rank 0 at the start, and the same metrics after each epoch."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        hvd.broadcast_variables([variable.value for variable in self.model.weights + optimizer.variables], root_rank=0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        for name, value in sorted((logs or {}).items()):
            logs[name] = float(hvd.allreduce(tf.constant(value, tf.float64), name=f"epoch-end-{name}"))


def build(learning_rate: float) -> keras.Model:
    layers = [keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    optimizer = make_distributed(keras.optimizers.Adam)(learning_rate * hvd.size())
    # Horovod's operations can't be compiled by XLA.
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.002, help="of one rank")
    arguments = parser.parse_args()
    hvd.init()
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[hvd.local_rank() % len(gpus)], "GPU")
    keras.utils.set_random_seed(hvd.rank())  # all ranks take the weights of rank 0, whatever their own
    digits = load_digits()
    share = len(digits.data) // hvd.size()  # as many for each: ranks that make a different number of steps wait for ever
    mine = slice(hvd.rank() * share, (hvd.rank() + 1) * share)
    model = build(arguments.learning_rate)
    images, labels = digits.data[mine] / 16.0, digits.target[mine]
    verbose = 2 if hvd.rank() == 0 else 0
    history = model.fit(images, labels, arguments.batch_size, arguments.epochs, verbose=verbose, callbacks=[Together()])
    loss = float(history.history["loss"][-1])
    weights = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
    print(f"rank {hvd.rank()} of {hvd.size()}: loss {loss:.3f}, weights {weights[:12]}")
    result = {"rank": hvd.rank(), "size": hvd.size(), "loss": loss, "weights": weights}
    Path(f"outputs/result-{hvd.rank()}.json").write_text(json.dumps(result))
    if hvd.rank() == 0:
        model.save("outputs/digits.keras")


if __name__ == "__main__":
    main()
