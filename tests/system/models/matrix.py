"""python matrix.py FOLDER: save the 17 models of the matrix with this Python's Keras, one of them in every form."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

Model = Any


def sequential(*of: Any) -> Model:
    return keras.Sequential(list(of))


def mlp() -> Model:
    return sequential(keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax"))


def conv() -> Model:
    return sequential(
        keras.Input((8, 8, 1)),
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(2),
    )


def lstm() -> Model:
    return sequential(keras.Input((None, 3)), layers.LSTM(4), layers.Dense(1))


def gru() -> Model:
    return sequential(keras.Input((6, 3)), layers.GRU(4), layers.Dense(1))


def embedding() -> Model:
    return sequential(keras.Input((5,), dtype="int32"), layers.Embedding(20, 4), layers.GlobalAveragePooling1D())


def multi() -> Model:
    left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    both = layers.Concatenate()([left, right])
    return keras.Model([left, right], [layers.Dense(2, name="sum")(both), layers.Dense(1, name="score")(both)])


def attention() -> Model:
    given = keras.Input((6, 8))
    return keras.Model(given, layers.MultiHeadAttention(2, 4)(given, given))


def rescaling() -> Model:
    return sequential(keras.Input((8, 8, 3)), layers.Rescaling(1 / 255.0), layers.Flatten(), layers.Dense(2))


def resizing() -> Model:
    return sequential(keras.Input((8, 8, 3)), layers.Resizing(4, 4), layers.Flatten(), layers.Dense(2))


def category() -> Model:
    return sequential(
        keras.Input((1,), dtype="int32"), layers.CategoryEncoding(num_tokens=8, output_mode="one_hot"), layers.Dense(2)
    )


def normalization() -> Model:
    layer = layers.Normalization()
    layer.adapt(np.array([[1.0, 10.0], [3.0, 50.0], [5.0, 90.0]], "float32"))
    return sequential(keras.Input((2,)), layer, layers.Dense(2))


def augmentation() -> Model:
    return sequential(
        keras.Input((8, 8, 3)), layers.RandomFlip(), layers.RandomRotation(0.1), layers.Flatten(), layers.Dense(2)
    )


def string_lookup() -> Model:
    layer = layers.StringLookup(vocabulary=["red", "green", "blue"], output_mode="one_hot")
    return sequential(keras.Input((1,), dtype="string"), layer, layers.Dense(2))


def integer_lookup() -> Model:
    layer = layers.IntegerLookup(vocabulary=[10, 20, 30], output_mode="one_hot")
    return sequential(keras.Input((1,), dtype="int64"), layer, layers.Dense(2))


def discretization() -> Model:
    layer = layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0], output_mode="one_hot")
    return sequential(keras.Input((1,)), layer, layers.Dense(2))


def hashing() -> Model:
    return sequential(keras.Input((1,), dtype="string"), layers.Hashing(num_bins=5, output_mode="one_hot"), layers.Dense(2))


def text() -> Model:
    layer = layers.TextVectorization(max_tokens=20, output_sequence_length=4, vocabulary=["the", "cat", "sat"])
    return sequential(keras.Input((1,), dtype="string"), layer, layers.Embedding(20, 4), layers.Flatten(), layers.Dense(2))


MODELS: dict[str, Callable[[], Model]] = {
    build.__name__: build
    for build in (
        mlp, conv, lstm, gru, embedding, multi, attention, rescaling, resizing, category, normalization, augmentation,
        string_lookup, integer_lookup, discretization, hashing, text,
    )
}  # fmt: skip


def save_checkpoint(folder: Path) -> None:
    """Save what a TensorFlow 1 script leaves: a graph with its training part, and the values of its variables."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], "network/X")
        y = v1.placeholder(tf.float32, [None, 2], "network/y")
        weights = v1.get_variable("network/w", [3, 2], initializer=v1.random_normal_initializer(seed=1))
        answer = tf.nn.bias_add(x @ weights, v1.get_variable("network/b", [2]), name="network/output/BiasAdd")
        v1.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean((answer - y) ** 2, name="network/loss"))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"))


def main() -> None:
    folder = Path(sys.argv[1])
    keras.utils.set_random_seed(1)
    for name, build in MODELS.items():
        build().save(folder / f"{name}.keras")
    forms = folder / "forms"
    forms.mkdir()
    model = mlp()
    model.save(forms / "mlp.h5")
    model.export(str(forms / "exported"))
    (forms / "mlp.json").write_text(model.to_json())
    model.save_weights(forms / "mlp.weights.h5")
    if keras.__version__ < "3":
        model.save(forms / "saved")
    tf1 = folder / "tf1"
    tf1.mkdir()
    save_checkpoint(tf1)


if __name__ == "__main__":
    main()
