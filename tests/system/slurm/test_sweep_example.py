"""The sweep example: real Keras trials, whose script knows nothing about the sweep."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slurmtf import Experiment, RunStatus
from slurmtf.job.contract.sweep.records import CANCELED, COMPLETED
from slurmtf.tune.document import from_yaml
from slurmtf.tune.run import SweepRun
from tests.patience import until

from .support import Lab

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

EXAMPLE = Path(__file__).parents[3] / "examples" / "sweep"


def test_the_sweep_example_tunes_digits(lab: Lab, tf_newest: Path, tmp_path: Path) -> None:
    source = shutil.copytree(EXAMPLE, tmp_path / "digits")
    wishes = {"compute_target": "slurm", "environment_definition": {"python": str(tf_newest)}}
    run = Experiment("digits", lab.workspace).submit(from_yaml(source / "sweep.yaml", wishes))
    assert isinstance(run, SweepRun)
    until(lambda: run.state.status.final, f"the end of {run.id}")
    assert run.state.status is RunStatus.COMPLETED, run.state.message
    results = [trial.result for trial in run.facts.trials]
    assert len(results) == 6
    assert {result.status for result in results if result} <= {COMPLETED, CANCELED}
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.best == max(result.best for result in results if result and result.best is not None)
    assert best.best > 0.8
    curve = best.get_metrics()["val_accuracy"]
    assert len(curve) == 8
    assert max(curve) == best.best
    assert "outputs/digits.keras" in best.get_file_names()
