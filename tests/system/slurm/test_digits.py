"""A real training: the same on this machine and on Slurm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from slurmtf import Environment, RunStatus
from slurmtf.estimator.document import from_yaml

from .support import Lab, log, wait_until_ended

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

DIGITS = Path(__file__).parents[3] / "examples/digits"


def test_a_training_is_the_same_here_and_on_slurm(lab: Lab, tf_newest: Path, tmp_path: Path) -> None:
    source = tmp_path / "digits"
    shutil.copytree(DIGITS, source)
    settings = from_yaml(source / "job.yaml")
    runs = [
        lab.submit_source(
            source,
            compute_target=target,
            script_params=settings.script_params,
            time=settings.time,
            cpus_per_task=settings.cpus_per_task,
            environment_definition=Environment(python=str(tf_newest)),
        )
        for target in ("local", "slurm")
    ]
    states = wait_until_ended(*runs)
    assert [state.status for state in states] == [RunStatus.COMPLETED] * 2, [state.message for state in states]
    outputs = [sorted(path.name for path in (run.folder / "outputs").iterdir()) for run in runs]
    assert outputs == [["digits.keras", "result.json"]] * 2
    results = [json.loads((run.folder / "outputs/result.json").read_text()) for run in runs]
    assert min(result["accuracy"] for result in results) > 0.9
    assert results[0]["accuracy"] == pytest.approx(results[1]["accuracy"], abs=0.02)
    for run, result in zip(runs, results, strict=True):
        assert f"test accuracy {result['accuracy']:.3f}" in log(run)
