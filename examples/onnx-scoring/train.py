"""Train a small Keras network on scikit-learn's handwritten digits; keep it, and the images that it has not seen."""

import json
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def build() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    hidden = keras.layers.Flatten()(keras.layers.Conv2D(16, 3, activation="relu")(image))
    model = keras.Model(image, keras.layers.Dense(10, activation="softmax", name="digit")(hidden))
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    keras.utils.set_random_seed(1)
    digits = load_digits()
    images = (digits.images[..., None] / 16.0).astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=0.25, random_state=1)
    model = build()
    model.fit(x_train, y_train, 32, 8, verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    outputs = Path("outputs")
    model.save(outputs / "digits.keras")
    for number, part in enumerate(np.array_split(x_test, 3)):
        np.savez(outputs / f"unseen-{number}.npz", image=part)
    np.save(outputs / "answers.npy", y_test)
    (outputs / "result.json").write_text(json.dumps({"loss": loss, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
