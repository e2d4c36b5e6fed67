"""Train a small Keras 2 network on all ranks with Horovod: each has a share of the digits, all have the same weights."""

import argparse
import hashlib
import json
from pathlib import Path

import horovod.tensorflow.keras as hvd
import tensorflow as tf
from sklearn.datasets import load_digits


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.002, help="of one rank")
    return parser.parse_args()


def use_own_gpu() -> None:
    """Leave the other GPUs of the node to the other ranks."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[hvd.local_rank() % len(gpus)], "GPU")


def build(learning_rate: float) -> tf.keras.Model:
    model = tf.keras.Sequential(
        [
            tf.keras.Input((64,)),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = hvd.DistributedOptimizer(tf.keras.optimizers.Adam(learning_rate * hvd.size()))
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return model


def main() -> None:
    arguments = read_arguments()
    hvd.init()
    use_own_gpu()
    tf.keras.utils.set_random_seed(hvd.rank())  # all ranks take the weights of rank 0, whatever their own
    digits = load_digits()
    share = len(digits.data) // hvd.size()  # as many for each: ranks that make a different number of steps wait for ever
    mine = slice(hvd.rank() * share, (hvd.rank() + 1) * share)
    model = build(arguments.learning_rate)
    history = model.fit(
        digits.data[mine] / 16.0,
        digits.target[mine],
        arguments.batch_size,
        arguments.epochs,
        callbacks=[hvd.callbacks.BroadcastGlobalVariablesCallback(0), hvd.callbacks.MetricAverageCallback()],
        verbose=2 if hvd.rank() == 0 else 0,
    )
    loss = float(history.history["loss"][-1])
    weights = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
    print(f"rank {hvd.rank()} of {hvd.size()}: loss {loss:.3f}, weights {weights[:12]}")
    result = {"rank": hvd.rank(), "size": hvd.size(), "loss": loss, "weights": weights}
    Path(f"outputs/result-{hvd.rank()}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
