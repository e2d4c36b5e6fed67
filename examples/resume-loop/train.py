"""A loop of one's own that goes on where an earlier attempt ended: the same losses, whatever came between.

tf.train.Checkpoint saves all that the next step depends on: the weights, the optimizer's state, the step, and the iterator,
which knows the place in the shuffled data. What was done after the last checkpoint is done again.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import tensorflow as tf

from slurmtf import Run

EVERY = 10


class Training(tf.Module):
    """Two layers and their momentum."""

    def __init__(self) -> None:
        super().__init__()
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        shapes = [(20, 32), (32, 1)]
        self.weights = [tf.Variable(tf.random.stateless_normal(shape, (1, sum(shape)), stddev=0.2)) for shape in shapes]
        self.momentum = [tf.Variable(tf.zeros(shape), trainable=False) for shape in shapes]

    @tf.function(autograph=False)
    def train(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.tanh(x @ self.weights[0]) @ self.weights[1] - y))
        for weight, momentum, gradient in zip(self.weights, self.momentum, tape.gradient(loss, self.weights), strict=True):
            weight.assign_sub(0.05 * momentum.assign(0.9 * momentum + gradient))
        self.step.assign_add(1)
        return loss


def build_dataset() -> tf.data.Dataset:
    numbers = np.random.RandomState(1)
    x = numbers.normal(size=(512, 20)).astype("float32")
    y = np.tanh(x @ numbers.normal(size=(20, 1))).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(512, seed=1).repeat().batch(32)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that each step takes longer")
    arguments = parser.parse_args()
    run, training, data = Run.get_context(), Training(), iter(build_dataset())
    checkpoint = tf.train.Checkpoint(training=training, data=data)
    saved = tf.train.CheckpointManager(checkpoint, "outputs/checkpoints", max_to_keep=2)
    checkpoint.restore(saved.latest_checkpoint)
    while training.step < arguments.steps and not run.should_stop():
        loss = training.train(*next(data))
        step = int(training.step)
        run.log("loss", float(loss), step=step)
        time.sleep(arguments.pause)
        if step % EVERY == 0:
            saved.save(step)
    saved.save(int(training.step))


if __name__ == "__main__":
    main()
