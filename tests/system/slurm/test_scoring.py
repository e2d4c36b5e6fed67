"""examples/onnx-scoring, from training to scores: on this machine, and on Slurm by a job array."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slurmtf import Environment, Run, RunStatus
from slurmtf.environments import EnvironmentStore
from slurmtf.environments.tools import NEWEST, SCORING
from slurmtf.estimator.document import from_yaml
from tests.environments.cache import root
from tests.patience import HANG_S, until
from tests.system.models.support import provide

from .support import COMMAND, Lab, call, wait_until_ended

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

EXAMPLE = Path(__file__).parents[3] / "examples/onnx-scoring"
BY_JOB = "extends: slurm\nenvironments:\n  build: job\n"


@pytest.fixture
def tools(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> EnvironmentStore:
    for name in (NEWEST, SCORING):
        provide(name, pytestconfig)
    monkeypatch.setenv("SLURMTF_ENVIRONMENTS", str(root() / "environments"))
    return EnvironmentStore(root() / "environments")


def trained(lab: Lab, tf_newest: Path, target: str, source: Path) -> Run:
    settings = from_yaml(source / "job.yaml")
    run = lab.submit_source(
        source,
        compute_target=target,
        environment_variables=settings.environment_variables,
        time=settings.time,
        cpus_per_task=settings.cpus_per_task,
        environment_definition=Environment(python=str(tf_newest)),
    )
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.COMPLETED, state.message
    return run


def scored(lab: Lab, run: Run, site: str, shards: int) -> dict[str, Any]:
    words = ["--input", str(run.folder / "outputs/unseen-*.npz"), "--output", str(lab.folder / f"scores-{site}-{shards}")]
    done: dict[str, Any] = lab.data(
        "score", "digits", *words, "--site", site, "--shards", str(shards), "--batch", "32", timeout=HANG_S
    )
    with np.load(done["scores"]) as held:
        return {name: held[name] for name in held.files}


def test_the_example_runs_from_training_to_scores(lab: Lab, tf_newest: Path, tools: EnvironmentStore, tmp_path: Path) -> None:
    source = tmp_path / "onnx-scoring"
    shutil.copytree(EXAMPLE, source)
    run = trained(lab, tf_newest, "slurm", source)
    (tmp_path / "by-job.yaml").write_text(BY_JOB)
    words = ["export", run.id, "--site", str(tmp_path / "by-job.yaml")]  # in a job of its own
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(lab.workspace)}
    with subprocess.Popen([COMMAND, *words], env=environ) as process:
        until(lambda: list((run.folder / "outputs").glob(".export-*/jobs.json")), "the job of an export")
        process.kill()
    record = lab.data(*words, timeout=HANG_S)  # waits for that job
    assert record["verified"]["largest_difference"] < 1e-5
    jobs = ("sacct", "--noheader", "--allocations", "--parsable2", "--format=JobName,WorkDir")
    ours = re.compile(rf"^slurmtf-export.*\|{re.escape(str(lab.folder))}", re.MULTILINE)
    assert len(until(lambda: ours.findall(call(*jobs)), "the export's job in sacct")) == 1
    model = lab.data("models", "register", "digits", run.id)
    assert (model["version"], model["onnx"]["file"]) == (1, "digits.onnx")

    here, alone, several = scored(lab, run, "local", 2), scored(lab, run, "slurm", 1), scored(lab, run, "slurm", 3)
    for found in (alone, several):
        assert here.keys() == found.keys()
        assert all(np.array_equal(here[name], found[name]) for name in here)
    (name,) = here.keys() - {"row"}
    answers = np.load(run.folder / "outputs/answers.npy")
    accuracy = json.loads((run.folder / "outputs/result.json").read_text())["accuracy"]
    assert (here[name].argmax(axis=1) == answers).mean() == pytest.approx(accuracy, abs=0.005)
