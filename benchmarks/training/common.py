"""What the training scripts have in common: one network (784-512-512-10), one batch per process, one way to count."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH, WARM_UP, BLOCKS, STEPS, WIDTH = 64, 20, 9, 25, 512
SHAPES = [(784, WIDTH), (WIDTH, WIDTH), (WIDTH, 10)]
RATE = 0.01


def build_data(batches: int = 1) -> tuple[Any, Any]:
    random = np.random.RandomState(0)
    return random.rand(BATCH * batches, 784).astype(np.float32), random.randint(0, 10, BATCH * batches)


def build_weights() -> list[Any]:
    random = np.random.RandomState(1)
    return [(random.randn(*shape) * 0.05).astype(np.float32) for shape in SHAPES]


def measure_rate(step: Callable[[], Any], replicas: int, wait: Callable[[], Any] = lambda: None) -> float:
    """Return images per second over all replicas: the median of blocks of steps, which a busy moment does not affect.

    If ``step`` is asynchronous, ``wait`` returns when all steps are done.
    """
    for _ in range(WARM_UP):
        step()
    wait()
    taken = []
    for _ in range(BLOCKS):
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        wait()
        taken.append(time.perf_counter() - began)
    return STEPS * BATCH * replicas / statistics.median(taken)


def main(modes: Any) -> None:
    """Run the mode that the arguments name, and write its rate to the file that they name. Only one process has a rate."""
    mode, result = sys.argv[1:]
    rate = modes[mode]()
    if rate is not None:
        with open(result, "w") as file:
            json.dump({"images_per_second": rate}, file)
