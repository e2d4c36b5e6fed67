"""A training loop in JAX alone: one step, compiled once, over the devices of all processes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from sklearn.datasets import load_digits

IMAGES = 1792
Weights = dict[str, Any]


def build_weights() -> Weights:
    generator = np.random.default_rng(1)  # the same in all processes
    hidden, out = generator.normal(0, 0.1, (64, 64)), generator.normal(0, 0.1, (64, 10))
    return {"hidden": hidden.astype("float32"), "out": out.astype("float32")}


def compute_loss(weights: Weights, images: jax.Array, labels: jax.Array) -> jax.Array:
    logits = jax.nn.relu(images @ weights["hidden"]) @ weights["out"]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))


@jax.jit
def train_step(weights: Weights, images: jax.Array, labels: jax.Array, rate: float) -> tuple[Weights, jax.Array]:
    """Take one step; JAX sums over the devices where the batch is spread and the weights are not."""
    loss, gradients = jax.value_and_grad(compute_loss)(weights, images, labels)
    return jax.tree.map(lambda weight, gradient: weight - rate * gradient, weights, gradients), loss


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64, help="of all processes together")
    parser.add_argument("--learning-rate", type=float, default=0.5)
    arguments = parser.parse_args()
    jax.distributed.initialize()  # slurmtf has told where; before anything else that uses a device
    rank, size = jax.process_index(), jax.process_count()
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    spread, everywhere = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    digits = load_digits()
    images, labels = (digits.data[rank:IMAGES:size] / 16.0).astype("float32"), digits.target[rank:IMAGES:size]
    weights = jax.device_put(build_weights(), everywhere)
    share = arguments.batch_size // size
    for epoch in range(arguments.epochs):
        losses = []
        for first in range(0, len(images), share):
            own = (images[first : first + share], labels[first : first + share])
            batch = [jax.make_array_from_process_local_data(spread, part) for part in own]
            weights, loss = train_step(weights, *batch, arguments.learning_rate)
            losses.append(float(loss))
        if rank == 0:
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}", flush=True)
    result = {"rank": rank, "size": size, "devices": jax.device_count(), "loss": float(np.mean(losses))}
    Path(f"outputs/result-{rank}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
