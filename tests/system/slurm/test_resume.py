"""A training that is preempted, loses its node and reaches its time limit has the losses of one that does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Run, RunStatus
from slurmtf.estimator.document import from_yaml

from .support import HELLO, SECONDS, Lab, call, ended, journal, log, until

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

EXAMPLE = Path(__file__).parents[3] / "examples/resume"
EPOCHS = 30


def losses(run: Run) -> list[float]:
    found = run.get_metrics("loss").get("loss", [])
    return found if isinstance(found, list) else [found]


def submitted(lab: Lab, source: Path, python: Path, **settings: Any) -> Run:
    document = from_yaml(source / "job.yaml")
    known = {name: getattr(document, name) for name in ("autolog", "environment_variables", "restarts")}
    environment = Environment(python=str(python))
    return lab.submit_source(source, **{**known, "environment_definition": environment, **settings})


def test_the_losses_are_those_of_an_undisturbed_training(lab: Lab, tf_newest: Path, tmp_path: Path) -> None:
    source = tmp_path / "resume"
    shutil.copytree(EXAMPLE, source)
    plain = submitted(lab, source, tf_newest, script_params={"--epochs": EPOCHS}, sbatch={"nodelist": "node1"})
    disturbed = submitted(
        lab,
        source,
        tf_newest,
        script_params={"--epochs": EPOCHS, "--pause": 1},
        partition="low",
        exclusive=True,
        time=1,
        notice={"before": 5},
        sbatch={"nodelist": "node2"},
    )

    def gone_on(epochs: int) -> None:
        until(lambda: len(losses(disturbed)) >= epochs, f"epoch {epochs}", 2 * SECONDS)

    gone_on(3)
    urgent = lab.submit(HELLO, partition="high", exclusive=True, sbatch={"nodelist": "node2"})
    ended(urgent)
    gone_on(len(losses(disturbed)) + 2)
    call("scontrol", "update", "nodename=node2", "state=down", "reason=test")
    until(lambda: reasons(disturbed)[1:], "another attempt", 2 * SECONDS)
    (done, state) = ended(plain, disturbed, seconds=4 * SECONDS)
    assert (done.status, state.status) == (RunStatus.COMPLETED,) * 2, (done.message, state.message, log(disturbed))
    assert reasons(disturbed)[:2] == ["preempted", "node-failure"]
    assert set(reasons(disturbed)[2:]) == {"time-limit"}
    assert losses(disturbed) == pytest.approx(losses(plain), rel=1e-6)
    assert len(losses(disturbed)) == EPOCHS


def reasons(run: Run) -> list[str]:
    return [one["cause"] for one in journal(run) if one["event"] == "restart"]
