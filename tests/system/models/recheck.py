"""python recheck.py FOLDER: print, as JSON, how much each NAME.onnx differs from NAME.keras, and how much the files of older
TensorFlows' models differ from what these answered (older/VERSION/answers.npz)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

ROWS = 5
WORDS = ["red", "green", "blue", "violet", ""]


def inputs_of(session: Any) -> dict[str, Any]:
    random = np.random.default_rng(7)
    found = {}
    for one in session.get_inputs():
        shape = [ROWS, *(size if isinstance(size, int) else 9 for size in one.shape[1:])]
        if one.type == "tensor(string)":
            found[one.name] = np.resize(np.array(WORDS, dtype=object), shape)
        elif "int" in one.type:
            found[one.name] = random.integers(0, 8, shape).astype(one.type[7:-1])
        else:
            found[one.name] = random.standard_normal(shape).astype("float32")
    return found


def older(folder: Path) -> dict[str, float]:
    """Return how much files differ from the answers of the TensorFlow that saved their models."""
    found = {}
    for path in sorted(folder.glob("older/*/answers.npz")):
        with np.load(path) as held:
            for form in ("lookup", "exported"):
                session = onnxruntime.InferenceSession(str(folder / f"{form}-{path.parent.name}.onnx"))
                (given,) = session.get_inputs()
                inputs = held[form].astype(object) if given.type == "tensor(string)" else held[form]
                (answer,) = session.run(None, {given.name: inputs})
                found[f"{form}-{path.parent.name}"] = float(np.abs(answer - held[f"{form}_answer"]).max())
    return found


def main() -> None:
    differences = older(Path(sys.argv[1]))
    for path in sorted(Path(sys.argv[1]).glob("*.keras")):
        file = path.with_suffix(".onnx")
        if file.exists():
            session = onnxruntime.InferenceSession(str(file))
            inputs = inputs_of(session)
            model = keras.models.load_model(path, compile=False)
            given = [tf.constant(inputs[one.name]) for one in session.get_inputs()]
            expected = tf.nest.flatten(model(given[0] if len(given) == 1 else given, training=False))
            found = session.run(None, inputs)
            pairs = zip(sorted(found, key=np.size), sorted((one.numpy() for one in expected), key=np.size), strict=True)
            differences[path.stem] = max(float(np.abs(one - other).max()) for one, other in pairs)
    print(json.dumps(differences))


if __name__ == "__main__":
    main()
