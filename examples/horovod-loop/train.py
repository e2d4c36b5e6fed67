"""A training loop of one's own with Horovod: GradientTape, no Keras. Any TensorFlow that Horovod can be built for."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import horovod.tensorflow as hvd
import tensorflow as tf
from sklearn.datasets import load_digits


class Network(tf.Module):
    """Two layers."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.w1 = tf.Variable(tf.random.normal([64, hidden], stddev=0.1))
        self.b1 = tf.Variable(tf.zeros([hidden]))
        self.w2 = tf.Variable(tf.random.normal([hidden, 10], stddev=0.1))
        self.b2 = tf.Variable(tf.zeros([10]))

    def compute_loss(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        logits = tf.nn.relu(images @ self.w1 + self.b1) @ self.w2 + self.b2
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


@tf.function(autograph=False)
def train_step(
    network: Network, images: tf.Tensor, labels: tf.Tensor, learning_rate: float
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Take one step with the gradients averaged over all ranks."""
    with tf.GradientTape() as tape:
        loss = network.compute_loss(images, labels)
    gradients = hvd.DistributedGradientTape(tape).gradient(loss, network.trainable_variables)
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        variable.assign_sub(learning_rate * gradient)
    return hvd.allreduce(loss), gradients


def load_own_share(batch_size: int) -> tf.data.Dataset:
    """Return this rank's part of the digits, shuffled, for ever."""
    digits = load_digits()
    images, labels = digits.data.astype("float32") / 16, digits.target.astype("int32")
    data = tf.data.Dataset.from_tensor_slices((images, labels)).shard(hvd.size(), hvd.rank())
    return data.shuffle(1000, seed=hvd.rank()).repeat().batch(batch_size)


def compute_fingerprint(tensors: Iterable[tf.Tensor]) -> str:
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.1, help="of one rank")
    arguments = parser.parse_args()
    hvd.init()
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[hvd.local_rank() % len(gpus)], "GPU")
    tf.random.set_seed(hvd.rank())  # all ranks take the weights of rank 0, whatever their own
    network = Network()
    hvd.broadcast_variables(network.variables, root_rank=0)
    for images, labels in load_own_share(arguments.batch_size).take(arguments.steps):
        loss, gradients = train_step(network, images, labels, arguments.learning_rate * hvd.size())
    result = {
        "rank": hvd.rank(),
        "size": hvd.size(),
        "loss": float(loss),
        "gradients": compute_fingerprint(gradients),
        "weights": compute_fingerprint(network.variables),
    }
    print(result)
    Path(f"outputs/result-{hvd.rank()}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
