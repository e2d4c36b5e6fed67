"""The matrix of models with the newest TensorFlow and Keras 3."""

from __future__ import annotations

import pytest

from .support import (
    GOOD,
    OLDER,
    REFUSED,
    Generation,
    check_candidates,
    check_good,
    check_left,
    check_no_false_success,
    check_refused,
    check_weights,
)

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("name", [*GOOD, "exported", "h5", "json", "tf1"])
def test_it_is_exported_and_agrees(keras_3: Generation, name: str) -> None:
    check_good(keras_3, name)


@pytest.mark.parametrize("version", OLDER)
def test_what_an_older_tensorflow_saved_is_exported(keras_3: Generation, version: str) -> None:
    for form in ("lookup", "exported"):
        check_good(keras_3, f"{form}-{version}")
        assert keras_3.rechecked[f"{form}-{version}"] < 1e-5


@pytest.mark.parametrize(("name", "kind"), {**REFUSED, "augmentation": "RandomFlip"}.items())
def test_it_is_refused_by_the_name_of_its_layer(keras_3: Generation, name: str, kind: str) -> None:
    check_refused(keras_3, name, kind)


def test_no_success_is_false(keras_3: Generation) -> None:
    check_no_false_success(keras_3)


def test_nothing_is_left(keras_3: Generation) -> None:
    check_left(keras_3)


def test_candidates_of_a_checkpoint_are_listed(keras_3: Generation) -> None:
    check_candidates(keras_3)


def test_weights_are_counted_without_their_optimizers(keras_3: Generation) -> None:
    check_weights(keras_3)
