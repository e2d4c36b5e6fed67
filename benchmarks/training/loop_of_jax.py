"""A custom training loop in JAX."""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import RATE, build_data, build_weights, main, measure_rate
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def compute_loss(weights: list[Any], images: Any, labels: Any) -> Any:
    hidden = jax.nn.relu(jax.nn.relu(images @ weights[0]) @ weights[1])
    chances = jax.nn.log_softmax(hidden @ weights[2])
    return -jnp.mean(jnp.take_along_axis(chances, labels[:, None], 1))


@jax.jit
def train_step(weights: list[Any], images: Any, labels: Any) -> list[Any]:
    gradients = jax.grad(compute_loss)(weights, images, labels)
    return [weight - RATE * gradient for weight, gradient in zip(weights, gradients)]


def build_arguments() -> dict[str, int]:
    """Return the arguments that jax.distributed.initialize() needs if the script is started by hand."""
    names = {"num_processes": "KERAS_DISTRIBUTION_NUM_PROCESSES", "process_id": "KERAS_DISTRIBUTION_PROCESS_ID"}
    return {} if "SLURMTF_RUN_ID" in os.environ else {name: int(os.environ[variable]) for name, variable in names.items()}


def train() -> float | None:
    jax.distributed.initialize(**build_arguments())
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    spread, everywhere = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    images, labels = (jax.make_array_from_process_local_data(spread, part) for part in build_data())
    state = [jax.device_put(build_weights(), everywhere)]

    def take_step() -> None:
        state[0] = train_step(state[0], images, labels)

    rate = measure_rate(take_step, jax.process_count(), lambda: jax.block_until_ready(state[0]))
    return rate if jax.process_index() == 0 else None


if __name__ == "__main__":
    main({"loop": train})
