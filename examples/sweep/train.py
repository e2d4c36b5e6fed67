"""Keras on scikit-learn's handwritten digits, to be tuned. It knows nothing of sweeps: what fit() reports is logged for it."""

import argparse

import keras
from sklearn.datasets import load_digits


def build(units: int, learning_rate: float) -> keras.Model:
    layers = [keras.Input((64,)), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(1)
    digits = load_digits()
    model = build(arguments.units, arguments.learning_rate)
    model.fit(digits.data / 16.0, digits.target, 32, arguments.epochs, validation_split=0.25, verbose=2)
    model.save("outputs/digits.keras")


if __name__ == "__main__":
    main()
