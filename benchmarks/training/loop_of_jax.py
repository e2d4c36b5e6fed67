"""A custom training loop in JAX."""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import RATE, data, main, timed, weights
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def loss_of(weights: list[Any], images: Any, labels: Any) -> Any:
    hidden = jax.nn.relu(jax.nn.relu(images @ weights[0]) @ weights[1])
    chances = jax.nn.log_softmax(hidden @ weights[2])
    return -jnp.mean(jnp.take_along_axis(chances, labels[:, None], 1))


@jax.jit
def step(weights: list[Any], images: Any, labels: Any) -> list[Any]:
    gradients = jax.grad(loss_of)(weights, images, labels)
    return [weight - RATE * gradient for weight, gradient in zip(weights, gradients)]


def by_hand() -> dict[str, int]:
    """Return the arguments that jax.distributed.initialize() needs if the script is started by hand."""
    names = {"num_processes": "KERAS_DISTRIBUTION_NUM_PROCESSES", "process_id": "KERAS_DISTRIBUTION_PROCESS_ID"}
    return {} if "SLURMTF_RUN_ID" in os.environ else {name: int(os.environ[told]) for name, told in names.items()}


def loop() -> float | None:
    jax.distributed.initialize(**by_hand())
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    spread, everywhere = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    images, labels = (jax.make_array_from_process_local_data(spread, part) for part in data())
    state = [jax.device_put(weights(), everywhere)]

    def one() -> None:
        state[0] = step(state[0], images, labels)

    rate = timed(one, jax.process_count(), lambda: jax.block_until_ready(state[0]))
    return rate if jax.process_index() == 0 else None


if __name__ == "__main__":
    main({"loop": loop})
