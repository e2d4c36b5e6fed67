"""Keras logs and stops for a script without slurmtf; TensorBoard's files are read as TensorBoard reads them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Run
from tests.patience import HANG_S

from .jobs import Job, NewJob

pytestmark = pytest.mark.tensorflow

ENVIRONMENTS = pytest.mark.parametrize(
    ("environment", "keras"),
    [
        ("tf_newest", "from tensorflow import keras"),
        ("tf_newest", 'keras = __import__("tf_keras")'),
        ("tf_classic", "from tensorflow import keras"),
    ],
)
FIT = """\
import json, os, sys
import numpy as np
import tensorflow as tf
{keras}

class Add(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["added"] = 1.0

class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(1)

    def call(self, x):
        return self.layer(x)

x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
histories = []
for model, callbacks in ((keras.Sequential([keras.layers.Dense(1)]), [Add()]), (Own(), Add()), (Own(), None)):
    model.compile("sgd", "mse", metrics=["mae"])
    histories.append(model.fit(x, y, 4, 2, 0, callbacks, validation_data=(x, y)).history)
board = keras.callbacks.TensorBoard("outputs/tb")
model.fit(x, y, verbose=0, epochs=3, callbacks=[board])
with tf.summary.create_file_writer("outputs").as_default():
    tf.summary.scalar("whole", tf.constant(7, tf.int64), step=1)
    tf.summary.text("text", "no number", step=1)
json.dump(histories, open("outputs/histories.json", "w"))
"""
STOPS = """
class Notify(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            os.makedirs(os.path.dirname(os.environ["SLURMTF_NOTICE"]), exist_ok=True)
            open(os.environ["SLURMTF_NOTICE"], "w").close()

model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
history = model.fit(x, y, epochs=9, verbose=0, callbacks=[Notify()])
saved = keras.models.load_model("outputs/last.h5", compile=False)
same = bool((saved.predict(x, verbose=0) == model.predict(x, verbose=0)).all())
json.dump([len(history.epoch), same], open("outputs/end.json", "w"))
"""
ORACLE = """\
import json, os, sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # TensorBoard's own reader: TensorFlow need not start
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
found = {}
for folder, _, names in os.walk(sys.argv[1]):
    if any("tfevents" in name for name in names):
        read = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
        read.Reload()
        prefix = os.path.relpath(folder, sys.argv[1]) + "/"
        prefix = "" if prefix == "./" else prefix
        tags = read.Tags()
        for tag in tags["scalars"]:
            found[prefix + tag] = [float(event.value) for event in read.Scalars(tag)]
        for tag in tags["tensors"]:
            arrays = [make_ndarray(event.tensor_proto) for event in read.Tensors(tag)]
            if all(array.shape == () and array.dtype.kind in "fiu" for array in arrays):
                found[prefix + tag] = [float(array) for array in arrays]
json.dump(found, sys.stdout)
"""


def with_python(job: NewJob, python: Path, script: str, **settings: Any) -> Job:
    """A job with that Python, from a client without a framework."""
    one = job(script, autolog="keras", environment_definition=Environment(python=str(python)), **settings)
    one.python = str(python)
    return one


@ENVIRONMENTS
def test_fit_is_logged_as_tensorboard_reads_it_and_saves_its_model_when_stopped(
    job: NewJob, request: pytest.FixtureRequest, environment: str, keras: str
) -> None:
    python = request.getfixturevalue(environment)
    notice = {"before": 1, "keras": "outputs/last.h5"}
    one = with_python(job, python, FIT.format(keras=keras) + STOPS, stage="shared", notice=notice)
    one.start(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
    assert one.wait() == 0, Path(one.layout.task_log("main-0", "err")).read_text()
    found = Run(one.folder).get_metrics()
    histories = json.loads((one.folder / "outputs/histories.json").read_text())
    logged = found.pop("val_loss")
    assert logged == pytest.approx([value for history in histories for value in history["val_loss"]])
    assert found.pop("added") == [1.0] * 4
    assert json.loads((one.folder / "outputs/end.json").read_text()) == [2, True]
    assert len(found.pop("mae")) == 3 * 2 + 3
    assert len(found.pop("loss")) == 3 * 2 + 3 + 2
    assert len(found.pop("val_mae")) == 3 * 2
    assert {name: value if isinstance(value, list) else [value] for name, value in found.items()} == oracle(python, one.folder)
    assert found["whole"] == 7.0
    assert len(found["tb/train/epoch_loss"]) == 3
    assert "autolog" not in Path(one.layout.task_log("main-0", "err")).read_text()


def oracle(python: Path, folder: Path) -> dict[str, list[float]]:
    done = subprocess.run(
        [python, "-c", ORACLE, folder / "outputs"], capture_output=True, text=True, timeout=HANG_S, check=True
    )
    read: dict[str, list[float]] = json.loads(done.stdout)
    return read


PLAIN = """\
import json, os
import numpy as np
{keras}

x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
history = {{}}
for layers in (1, 2):
    model = keras.Sequential([keras.layers.Dense(1) for _ in range(layers)])
    model.compile("sgd", "mse")
    for name, values in model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history.items():
        history[name] = history.get(name, []) + [float(value) for value in values]
json.dump(history, open("outputs/histories.json", "w"))
"""
WITH_A_SHAPE = STOPS.replace("keras.layers.Dense(1)", "keras.layers.Dense(1, input_shape=(2,))")


@pytest.mark.parametrize(
    ("environment", "keras", "environ"),
    [("jax", "import keras", {"KERAS_BACKEND": "jax"}), ("tf1", "from tensorflow import keras", {})],
)
def test_fit_is_logged_and_stops_on_jax_and_in_tensorflow_1(
    job: NewJob, request: pytest.FixtureRequest, environment: str, keras: str, environ: dict[str, str]
) -> None:
    notice = {"before": 1, "keras": "outputs/last.h5"}
    one = with_python(job, request.getfixturevalue(environment), PLAIN.format(keras=keras) + WITH_A_SHAPE, notice=notice)
    one.start(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", **environ)
    assert one.wait() == 0, Path(one.layout.task_log("main-0", "err")).read_text()
    history = json.loads((one.folder / "outputs/histories.json").read_text())
    found = Run(one.folder).get_metrics()
    assert found["val_loss"] == pytest.approx(history["val_loss"])
    assert found["loss"][:4] == pytest.approx(history["loss"])
    assert len(found["loss"]) == 4 + 2
    assert json.loads((one.folder / "outputs/end.json").read_text()) == [2, True]
    assert "autolog" not in Path(one.layout.task_log("main-0", "err")).read_text()


BROKEN = """\
import slurmtf
slurmtf.Run.get_context = classmethod(lambda cls: 1 / 0)
"""


def test_errors_in_autolog_do_not_reach_the_script(job: NewJob, tf_newest: Path) -> None:
    one = with_python(job, tf_newest, BROKEN + PLAIN.format(keras="from tensorflow import keras"))
    one.start(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
    assert one.wait() == 0
    assert Path(one.layout.task_log("main-0", "err")).read_text().count("slurmtf: autolog lost") == 1
    assert "loss" not in Run(one.folder).get_metrics()
