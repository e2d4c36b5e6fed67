"""python -m tests.system.models.save FILE.zip: save two models with this Python's TensorFlow, with inputs and its answers.

The files in saved/ were written this way, each by the TensorFlow in its name, in an environment with only tensorflow-cpu.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.system.models.matrix import lstm, string_lookup


def main() -> None:
    keras.utils.set_random_seed(1)
    inputs: dict[str, Any] = {
        "lookup": np.array([["red"], ["blue"], ["violet"]]),
        "exported": np.random.default_rng(1).standard_normal((3, 5, 3)).astype("float32"),
    }
    models = {"lookup": string_lookup(), "exported": lstm()}
    with tempfile.TemporaryDirectory() as folder:
        models["lookup"].save(f"{folder}/lookup.keras")
        models["exported"].export(f"{folder}/exported")
        answers: dict[str, Any] = {f"{name}_answer": model(tf.constant(inputs[name])).numpy() for name, model in models.items()}
        np.savez(f"{folder}/answers.npz", **inputs, **answers)
        shutil.make_archive(str(Path(sys.argv[1]).with_suffix("")), "zip", folder)


if __name__ == "__main__":
    main()
