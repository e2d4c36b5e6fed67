"""Two workers train one model with Keras on Slurm: a terminal shows the curve during training and afterwards; rank 0 logs for
both, and each event file belongs to the worker that wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf import Environment, Run, RunStatus
from tests.terminal import read_terminal

from .support import COMMAND, Lab, log, wait_until_ended

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

TRAIN = """\
import os, pathlib, time
import numpy as np
import tensorflow as tf
from slurmtf import Run
strategy = tf.distribute.MultiWorkerMirroredStrategy()

class Wait(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        while epoch == 2 and not pathlib.Path("outputs/go").exists():
            time.sleep(0.1)

with strategy.scope():
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
data = tf.data.Dataset.from_tensor_slices((np.ones((16, 2), "float32"), np.ones((16, 1), "float32"))).batch(8)
model.fit(data, epochs=4, verbose=0, callbacks=[Wait()])
rank = int(os.environ["SLURMTF_RANK"])
for folder in (os.environ["TENSORBOARD_LOGGING_DIR"], "outputs/shared"):
    with tf.summary.create_file_writer(folder).as_default():
        tf.summary.scalar("rank", rank, step=1)
Run.get_context().log("mine", rank)
"""


@pytest.fixture
def run(lab: Lab, tf_classic: Path) -> Run:
    return lab.submit(
        TRAIN,
        compute_target="slurm",
        node_count=2,
        distributed_backend="multiworker",
        worker_count=2,
        time=10,
        autolog="keras",
        environment_variables={"TF_CPP_MIN_LOG_LEVEL": "3"},
        environment_definition=Environment(python=str(tf_classic)),
    )


def test_the_curve_of_two_workers_is_shown_during_and_after_training(lab: Lab, run: Run) -> None:
    def let_go(text: str) -> None:
        if text.rstrip().endswith("at 1"):  # the legend has the last value and its step
            (run.folder / "outputs/go").touch()

    words = [str(COMMAND), "metrics", str(run.folder), "--name", "loss", "--plot"]
    frames = read_terminal([*words, "--follow"], let_go).split("\x1b[J")
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.COMPLETED, log(run)
    assert (run.folder / "outputs/go").exists(), frames
    assert frames[-1].rstrip().endswith("at 3")
    legend = lab.slurmtf(*words[1:]).stdout.rstrip().splitlines()[-1]
    assert legend.strip().startswith(f"⠒⠒ {run.id}: ")
    assert legend in frames[-1]
    everything = run.get_metrics(all_ranks=True)
    assert len(everything["worker-0"].pop("loss")) == 4
    assert everything == {
        f"worker-{rank}": {"mine": rank, "rank": float(rank), "shared/rank": float(rank)} for rank in range(2)
    }
