"""Two ranks train with Keras on Slurm; rank 0 logs for both."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf import Environment, RunStatus

from .support import SECONDS, Lab, ended, log

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

FIT = """\
import numpy as np
from tensorflow import keras
from slurmtf import Run
x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, y, epochs=3, verbose=0)
Run.get_context().log("mine", 1)
"""


def test_rank_0_alone_logs_what_fit_reports_and_every_rank_what_it_logs_itself(
    lab: Lab, tf_newest: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/train.py").write_text(FIT)
    run = lab.submit_source(
        tmp_path / "source",
        compute_target="slurm",
        node_count=2,
        distributed_backend="multiworker",
        worker_count=2,
        time=10,
        autolog="keras",
        environment_variables={"TF_CPP_MIN_LOG_LEVEL": "3"},
        environment_definition=Environment(python=str(tf_newest)),
    )
    (state,) = ended(run, seconds=2 * SECONDS)
    assert state.status is RunStatus.COMPLETED, log(run)
    everything = run.get_metrics(all_ranks=True)
    assert {task: sorted(found) for task, found in everything.items()} == {"worker-0": ["loss", "mine"], "worker-1": ["mine"]}
    assert len(run.get_metrics("loss")["loss"]) == 3
