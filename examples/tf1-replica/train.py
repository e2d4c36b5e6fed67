"""Between-graph replication as TensorFlow 1 did it. Runs on TensorFlow 1.15 and, through tf.compat.v1, on any later one."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

SLOPE, INTERCEPT = 3.0, -1.0


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ps_hosts", type=lambda text: text.split(","))
    parser.add_argument("--worker_hosts", type=lambda text: text.split(","))
    parser.add_argument("--job_name", choices=["ps", "worker"])
    parser.add_argument("--task_index", type=int)
    parser.add_argument("--steps", type=int, default=200, help="of each worker")
    return parser.parse_args()


def build(worker):
    """Return the graph's ends: the variables go to the parameter servers, the work to this worker."""
    with tf.device(tf.train.replica_device_setter(ps_tasks=worker.ps, worker_device=worker.device)):
        step = tf.train.get_or_create_global_step()
        x, y = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [None])
        slope, intercept = tf.get_variable("slope", initializer=0.0), tf.get_variable("intercept", initializer=0.0)
        loss = tf.reduce_mean(tf.square(slope * x + intercept - y))
        train = tf.train.GradientDescentOptimizer(0.05).minimize(loss, global_step=step)
    return step, x, y, slope, intercept, loss, train


class Worker:
    """What a worker knows of itself."""

    def __init__(self, arguments):
        self.index = arguments.task_index
        self.is_chief = arguments.task_index == 0
        self.ps = len(arguments.ps_hosts)
        self.device = f"/job:worker/task:{arguments.task_index}"
        # A worker that listens to the parameter servers only does not wait for the other workers.
        self.config = tf.ConfigProto(device_filters=["/job:ps", self.device])

    def wait_for_chief(self, target):
        """Wait until the chief has initialised the variables; MonitoredTrainingSession would look every 30 s only."""
        missing = tf.report_uninitialized_variables()
        with tf.Session(target, config=self.config) as session:
            while len(session.run(missing)):
                time.sleep(0.2)

    def train(self, target, steps):
        step, x, y, slope, intercept, loss, train = build(self)
        if not self.is_chief:
            self.wait_for_chief(target)
        numbers = np.random.RandomState(self.index)
        with tf.train.MonitoredTrainingSession(target, is_chief=self.is_chief, config=self.config) as session:
            for _ in range(steps):
                xs = numbers.uniform(-1, 1, 32)
                session.run(train, {x: xs, y: SLOPE * xs + INTERCEPT})
            wanted = {"global_step": step, "loss": loss, "slope": slope, "intercept": intercept}
            fetched = session.run(wanted, {x: xs, y: SLOPE * xs + INTERCEPT})
        return {name: value.item() for name, value in fetched.items()}


def main():
    tf.disable_v2_behavior()
    arguments = read_arguments()
    cluster = tf.train.ClusterSpec({"ps": arguments.ps_hosts, "worker": arguments.worker_hosts})
    server = tf.train.Server(cluster, job_name=arguments.job_name, task_index=arguments.task_index)
    if arguments.job_name == "ps":
        server.join()  # never returns: slurmtf ends us when the workers are done
    result = Worker(arguments).train(server.target, arguments.steps)
    result["workers"], result["servers"] = len(arguments.worker_hosts), len(arguments.ps_hosts)
    result["tensorflow"] = tf.__version__
    print(result)
    Path(f"outputs/result-worker-{arguments.task_index}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
