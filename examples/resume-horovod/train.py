"""Horovod that goes on where an earlier attempt ended: the same losses, whatever came between.

Rank 0 saves, and all begin with what it has restored: weights, momentum and step. Each rank finds its place in the data by the
step. All ranks stop at the same step: rank 0 says when.
"""

from __future__ import annotations

import argparse
import time

import horovod.tensorflow as hvd
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
        gradients = hvd.DistributedGradientTape(tape).gradient(loss, self.weights)
        for weight, momentum, gradient in zip(self.weights, self.momentum, gradients, strict=True):
            weight.assign_sub(0.05 * momentum.assign(0.9 * momentum + gradient))
        self.step.assign_add(1)
        return hvd.allreduce(loss)


def build_dataset(seen: int) -> tf.data.Dataset:
    numbers = np.random.RandomState(1)
    x = numbers.normal(size=(512, 20)).astype("float32")
    y = np.tanh(x @ numbers.normal(size=(20, 1))).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).shard(hvd.size(), hvd.rank())
    return data.shuffle(512, seed=1).repeat().batch(32).skip(seen)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that each step takes longer")
    arguments = parser.parse_args()
    hvd.init()
    run, training = Run.get_context(), Training()
    checkpoint = tf.train.Checkpoint(training=training)
    saved = tf.train.CheckpointManager(checkpoint, "outputs/checkpoints", max_to_keep=2)
    if hvd.rank() == 0:
        checkpoint.restore(saved.latest_checkpoint)
    hvd.broadcast_variables(training.variables, root_rank=0)
    data = iter(build_dataset(int(training.step)))
    while training.step < arguments.steps and not hvd.broadcast_object(run.should_stop(), root_rank=0):
        loss = training.train(*next(data))
        step = int(training.step)
        run.log("loss", float(loss), step=step)
        time.sleep(arguments.pause)
        if hvd.rank() == 0 and step % EVERY == 0:
            saved.save(step)
    if hvd.rank() == 0:
        saved.save(int(training.step))


if __name__ == "__main__":
    main()
