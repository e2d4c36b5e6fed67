"""What benchmarks/gpu.py runs in a job: looks at GPUs, and computes on them. Each process leaves its answer in a folder."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGE, BATCH = 224, 64
BUSY_S = 60
PATIENCE_S = 60


def read_visible() -> dict[str, Any]:
    return {"visible": os.environ.get("CUDA_VISIBLE_DEVICES")}


def compute_with_tensorflow() -> dict[str, Any]:
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    for device in devices:  # otherwise the first process takes all of the memory
        tf.config.experimental.set_memory_growth(device, True)
    with tf.device("/GPU:0"):
        product = tf.linalg.matmul(tf.ones((256, 256)), tf.ones((256, 256)))
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    kinds = [detail.get("device_name", "") for detail in details]
    return {**read_visible(), "devices": len(devices), "kinds": kinds, "on": product.device, "version": tf.__version__}


def reduce_with_horovod() -> dict[str, Any]:
    import horovod.tensorflow as hvd
    import tensorflow as tf

    hvd.init()
    with tf.device("/GPU:0"):
        total = hvd.allreduce(tf.ones(1 << 20), op=hvd.Sum)
    return {**read_visible(), "nccl": int(hvd.nccl_built()), "sum": float(total[0]), "size": hvd.size(), "on": total.device}


def fill_memory() -> dict[str, Any]:
    import tensorflow as tf

    with tf.device("/GPU:0"):
        return {"sum": float(tf.reduce_sum(tf.random.normal((1 << 20, 1 << 20))))}


def keep_busy() -> dict[str, Any]:
    """Compute until after the first sample of the GPU (slurmtf/job/task/sampling.py)."""
    import tensorflow as tf

    turns, end = 0, time.monotonic() + BUSY_S
    with tf.device("/GPU:0"):
        matrix = tf.random.normal((4096, 4096))
        while time.monotonic() < end:
            float(tf.reduce_sum(tf.linalg.matmul(matrix, matrix)))
            turns += 1
    return {"turns": turns}


def train_resnet() -> dict[str, Any]:
    """Train ResNet50 on random images. Returns images per second, the median of epochs."""
    import fit
    import numpy as np
    import tensorflow as tf
    from common import STEPS

    random = np.random.RandomState(0)
    images, labels = random.rand(BATCH, IMAGE, IMAGE, 3).astype(np.float32), random.randint(0, 1000, BATCH)
    own = tf.data.Dataset.from_tensors((images, labels)).cache().repeat().prefetch(2)
    model = tf.keras.applications.ResNet50(weights=None)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return {"images_per_second": fit.measure_fit(tf.keras, model, 1, x=own, steps_per_epoch=STEPS)}


MODES: dict[str, Callable[[], dict[str, Any]]] = {
    "names": read_visible,
    "tensorflow": compute_with_tensorflow,
    "horovod": reduce_with_horovod,
    "exhaust": fill_memory,
    "busy": keep_busy,
    "train": train_resnet,
}


def wait_for_all(folder: Path) -> None:
    """Wait until each process of the plan has answered: a parameter server is ended after the last worker."""
    end = time.monotonic() + PATIENCE_S
    while len(list(folder.glob("*.json"))) < int(os.environ.get("SLURMTF_WORLD_SIZE", "1")) and time.monotonic() < end:
        time.sleep(0.02)


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    answer = MODES[mode]()
    written = folder / f"{os.environ.get('SLURMTF_RANK', 'by-hand')}.part"
    written.write_text(json.dumps(answer))
    written.rename(written.with_suffix(".json"))
    wait_for_all(folder)


if __name__ == "__main__":
    main()
