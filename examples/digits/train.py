"""Train a small Keras network on scikit-learn's handwritten digits. Nothing is downloaded."""

import argparse
import json
from pathlib import Path

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    return parser.parse_args()


def build(learning_rate: float) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    arguments = read_arguments()
    keras.utils.set_random_seed(1)
    digits = load_digits()
    images = digits.images[..., None] / 16.0
    x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=0.25, random_state=1)
    model = build(arguments.learning_rate)
    model.fit(x_train, y_train, arguments.batch_size, arguments.epochs, verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.3f}")
    outputs = Path("outputs")
    model.save(outputs / "digits.keras")
    (outputs / "result.json").write_text(json.dumps({"loss": loss, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
