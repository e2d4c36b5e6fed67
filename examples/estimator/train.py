"""tf.estimator.train_and_evaluate on the digits: every role runs this script, TF_CONFIG tells which it is."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def build_dataset(images: object, labels: object, training: bool) -> tf.data.Dataset:
    data = tf.data.Dataset.from_tensor_slices(({"image": images}, labels))
    return data.shuffle(2000).repeat().batch(32) if training else data.batch(64)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(digits.data / 16.0, digits.target, test_size=0.25, random_state=1)
    config = tf.estimator.RunConfig(model_dir="outputs/model", save_checkpoints_steps=100, log_step_count_steps=100)
    columns = [tf.feature_column.numeric_column("image", shape=[64])]
    classifier = tf.estimator.DNNClassifier([64], columns, n_classes=10, optimizer="Adam", config=config)
    training = tf.estimator.TrainSpec(lambda: build_dataset(x_train, y_train, True), max_steps=arguments.steps)
    evaluation = tf.estimator.EvalSpec(
        lambda: build_dataset(x_test, y_test, False), steps=None, start_delay_secs=0, throttle_secs=1
    )
    tf.estimator.train_and_evaluate(classifier, training, evaluation)
    role = f"{config.task_type}-{config.task_id}"
    result = {"role": role, "workers": config.num_worker_replicas, "servers": config.num_ps_replicas}
    if config.task_type != "ps":
        result["step"] = int(classifier.get_variable_value("global_step"))
        result["loss"] = float(classifier.evaluate(evaluation.input_fn)["loss"])
    print(result)
    Path(f"outputs/result-{role}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
