"""tf.estimator that goes on where an earlier attempt ended: the same losses, whatever came between. TensorFlow 1.15 to 2.15.

An Estimator saves weights, optimizer and step in its model_dir, and begins there. The place in the data is not saved: input_fn
skips what the earlier attempts have seen.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import tensorflow as tf

from slurmtf import Run

v1 = tf.compat.v1


class Watch(v1.train.SessionRunHook):
    """Logs each step's loss, and ends the training when the run is told that it will be ended: what was done is saved then."""

    def __init__(self, loss: tf.Tensor, step: tf.Tensor, pause: float) -> None:
        self.run, self.pause = Run.get_context(), pause
        self.wanted = {"loss": loss, "step": step}

    def before_run(self, run_context: v1.train.SessionRunContext) -> v1.train.SessionRunArgs:  # noqa: ARG002 - as it is called
        return v1.train.SessionRunArgs(self.wanted)

    def after_run(self, run_context: v1.train.SessionRunContext, run_values: v1.train.SessionRunValues) -> None:
        self.run.log("loss", float(run_values.results["loss"]), step=int(run_values.results["step"]))
        time.sleep(self.pause)
        if self.run.should_stop():
            run_context.request_stop()


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str, params: dict) -> tf.estimator.EstimatorSpec:
    hidden = v1.get_variable("hidden", (20, 32), initializer=v1.random_normal_initializer(stddev=0.2))
    last = v1.get_variable("last", (32, 1), initializer=v1.random_normal_initializer(stddev=0.2))
    loss = tf.reduce_mean(tf.square(tf.matmul(tf.tanh(tf.matmul(features, hidden)), last) - labels))
    train = v1.train.AdamOptimizer(0.01).minimize(loss, v1.train.get_global_step())
    with tf.control_dependencies([train]):
        step = v1.train.get_global_step().read_value()
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train, training_hooks=[Watch(loss, step, params["pause"])])


def build_dataset(seen: int) -> tf.data.Dataset:
    numbers = np.random.RandomState(1)
    x = numbers.normal(size=(512, 20)).astype("float32")
    y = np.tanh(x @ numbers.normal(size=(20, 1))).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data.shuffle(512, seed=1).repeat().batch(32).skip(seen)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that each step takes longer")
    arguments = parser.parse_args()
    config = tf.estimator.RunConfig("outputs/model", tf_random_seed=1, save_checkpoints_steps=10)
    estimator = tf.estimator.Estimator(model_fn, config=config, params={"pause": arguments.pause})
    seen = int(estimator.get_variable_value("global_step")) if estimator.latest_checkpoint() else 0
    estimator.train(lambda: build_dataset(seen), max_steps=arguments.steps)


if __name__ == "__main__":
    main()
