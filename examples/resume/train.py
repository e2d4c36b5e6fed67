"""A training that goes on where an earlier attempt ended: the same losses, whatever came between.

BackupAndRestore saves weights, optimizer and epoch after each epoch, and fit begins there when it is called again. What it does
not save is the order of the data: here each epoch has the same one.
"""

import argparse
import os
import time

import numpy as np
from tensorflow import keras

from slurmtf import Run

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--pause", type=float, default=0.0, help="seconds that each epoch takes longer")
arguments = parser.parse_args()

run = Run.get_context()
keras.utils.set_random_seed(1)
numbers = np.random.default_rng(1)
x = numbers.normal(size=(512, 20)).astype("float32")
y = np.tanh(x @ numbers.normal(size=(20, 1))).astype("float32")
model = keras.Sequential([keras.layers.Dense(32, activation="tanh"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.01), "mse")


class StopWhenTold(keras.callbacks.Callback):
    """Ends the training after the epoch in which the run is told that it will be ended."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002 - as Keras calls it
        time.sleep(arguments.pause)
        self.model.stop_training = run.should_stop()


backup = keras.callbacks.BackupAndRestore("outputs/backup", delete_checkpoint=False)  # else it is gone when fit was stopped
print("attempt", os.environ.get("SLURMTF_ATTEMPT", "1"), flush=True)
model.fit(x, y, epochs=arguments.epochs, shuffle=False, verbose=2, callbacks=[backup, StopWhenTold()])
