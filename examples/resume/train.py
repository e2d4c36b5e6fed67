"""A training by Keras 3 that goes on where an earlier attempt ended: the same losses, whatever came between.

BackupAndRestore saves weights, optimizer and epoch after each epoch, and fit begins there when it is called again. What it does
not save is the order of the data: here each epoch has the same one.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from tensorflow import keras

from slurmtf import Run


class Watch(keras.callbacks.Callback):
    """Logs the loss of each epoch, and ends the training after the one in which the run is told that it will be ended."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.run, self.pause = Run.get_context(), pause

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:  # noqa: ARG002 - as Keras calls it
        time.sleep(self.pause)

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        self.run.log("loss", logs["loss"], step=epoch)
        self.model.stop_training = self.run.should_stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that each epoch takes longer")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(1)
    numbers = np.random.default_rng(1)
    x = numbers.normal(size=(512, 20)).astype("float32")
    y = np.tanh(x @ numbers.normal(size=(20, 1))).astype("float32")
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(32, activation="tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    backup = keras.callbacks.BackupAndRestore(
        "outputs/backup",
        delete_checkpoint=False,  # else it is gone when fit was stopped
        double_checkpoint=True,  # a machine that fails while one is written leaves the one before; Keras 2 needs no such word
    )
    callbacks = [Watch(arguments.pause), backup]  # logged, then saved: an epoch may be there twice, none is missing
    model.fit(x, y, epochs=arguments.epochs, shuffle=False, verbose=2, callbacks=callbacks)


if __name__ == "__main__":
    main()
