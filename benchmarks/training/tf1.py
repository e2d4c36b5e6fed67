"""TensorFlow 1.15 as commonly used: a graph with Horovod, a graph with parameter servers, and tf.estimator (up to 2.15)."""

from __future__ import annotations

import json
import os
import statistics
import time
from typing import Any

import tensorflow.compat.v1 as tf
from common import BATCH, BLOCKS, RATE, STEPS, WARM_UP, build_data, build_weights, main, measure_rate


def compute_loss(images: Any, labels: Any) -> Any:
    first, second, last = (tf.get_variable(f"w{at}", initializer=value) for at, value in enumerate(build_weights()))
    hidden = tf.nn.relu(tf.matmul(tf.nn.relu(tf.matmul(images, first)), second))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.matmul(hidden, last)))


def train_with_horovod() -> float | None:
    import horovod.tensorflow as hvd

    tf.disable_v2_behavior()
    hvd.init()
    images, labels = build_data()
    optimizer = hvd.DistributedOptimizer(tf.train.GradientDescentOptimizer(RATE))
    train = optimizer.minimize(compute_loss(tf.constant(images), tf.constant(labels)))
    with tf.train.MonitoredTrainingSession(hooks=[hvd.BroadcastGlobalVariablesHook(0)]) as session:
        rate = measure_rate(lambda: session.run(train), hvd.size())
    return rate if hvd.rank() == 0 else None


class Pace(tf.train.SessionRunHook):  # type: ignore[misc]
    """Records when the global step, which all workers advance, passes each block of steps, and requests the stop."""

    def __init__(self) -> None:
        self.passed: list[tuple[int, float]] = []

    def begin(self) -> None:
        self._step = tf.train.get_or_create_global_step()

    def before_run(self, _context: Any) -> Any:
        return tf.train.SessionRunArgs(self._step)

    def after_run(self, context: Any, values: Any) -> None:
        if values.results >= WARM_UP + STEPS * len(self.passed):
            self.passed.append((int(values.results), time.perf_counter()))
        if len(self.passed) > BLOCKS:
            context.request_stop()

    @property
    def rate(self) -> float:
        blocks = zip(self.passed, self.passed[1:])
        return statistics.median(BATCH * (last - first) / (end - begin) for (first, begin), (last, end) in blocks)


def read_task() -> tuple[dict[str, list[str]], str, int]:
    config = json.loads(os.environ["TF_CONFIG"])
    return config["cluster"], config["task"]["type"], int(config["task"]["index"])


def train_with_parameter_servers() -> float | None:
    tf.disable_v2_behavior()
    cluster, role, index = read_task()
    server = tf.train.Server(tf.train.ClusterSpec(cluster), job_name=role, task_index=index)
    if role == "ps":
        server.join()
    own = f"/job:worker/task:{index}"
    images, labels = build_data()
    with tf.device(tf.train.replica_device_setter(cluster=cluster, worker_device=own)):
        step = tf.train.get_or_create_global_step()
        loss = compute_loss(tf.constant(images), tf.constant(labels))
        train = tf.train.GradientDescentOptimizer(RATE).minimize(loss, global_step=step)
    config = tf.ConfigProto(device_filters=["/job:ps", own])
    if index:
        wait_for_chief(server.target, config)
    pace = Pace()
    creator = tf.train.WorkerSessionCreator if index else tf.train.ChiefSessionCreator
    with tf.train.MonitoredSession(creator(master=server.target, config=config), hooks=[pace]) as session:
        while not session.should_stop():
            session.run(train)
    return None if index else pace.rate


def wait_for_chief(target: str, config: Any) -> None:
    """Wait until the chief has initialized the variables; a session itself looks only every 30 s."""
    missing = tf.report_uninitialized_variables()
    with tf.Session(target, config=config) as session:
        while len(session.run(missing)):
            time.sleep(0.1)


def train_estimator() -> float | None:
    """Train with a chief and a worker; both stop at the same global step."""
    pace = Pace()
    images, labels = build_data()

    def model_fn(features: Any, labels: Any, mode: Any) -> Any:
        loss = compute_loss(features, labels)
        optimizer = tf.train.GradientDescentOptimizer(RATE)
        train = optimizer.minimize(loss, global_step=tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train)

    def input_fn() -> Any:
        return tf.data.Dataset.from_tensors((images, labels)).repeat()

    role = read_task()[1]
    config = tf.estimator.RunConfig(model_dir=os.environ["MODEL_DIR"], save_checkpoints_secs=600, log_step_count_steps=None)
    training = tf.estimator.TrainSpec(input_fn, max_steps=WARM_UP + STEPS * (BLOCKS + 3), hooks=[pace])
    tf.estimator.train_and_evaluate(
        tf.estimator.Estimator(model_fn, config=config),
        training,
        tf.estimator.EvalSpec(input_fn, steps=1, start_delay_secs=600),
    )
    return pace.rate if role == "chief" else None


if __name__ == "__main__":
    main({"horovod": train_with_horovod, "ps": train_with_parameter_servers, "estimator": train_estimator})
