"""The sweep as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from slurmtf.errors import SpecError
from slurmtf.tune.document import from_yaml, json_schema
from slurmtf.tune.policies import BanditPolicy

SWEEP: dict[str, Any] = {
    "estimator": {"entry_script": "train.py", "compute_target": "local", "script_params": {"--epochs": 3}},
    "sampling": {
        "type": "random",
        "seed": 7,
        "parameter_space": {"lr": {"loguniform": [-6, -1]}, "units": {"choice": [16, 32]}},
    },
    "primary_metric_name": "accuracy",
    "primary_metric_goal": "maximize",
    "max_total_runs": 20,
    "policy": {"type": "bandit", "slack_factor": 0.1},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("")
    return tmp_path


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({**SWEEP, **changes}, sort_keys=False))
    return path


def test_a_file_is_a_sweep(folder: Path) -> None:
    sweep = from_yaml(written(folder))
    assert (sweep.max_total_runs, sweep.sampling.seed, sweep.policy) == (20, 7, BanditPolicy(slack_factor=0.1))
    assert sweep.estimator.source_directory == str(folder)
    assert sweep.estimator.script_params == {"--epochs": 3}


def test_the_estimator_may_be_a_job_file_of_its_own(folder: Path) -> None:
    (folder / "job.yaml").write_text("entry_script: train.py\ncpus_per_task: 2\n")
    assert from_yaml(written(folder, estimator="job.yaml"), {"compute_target": "slurm"}).estimator.cpus_per_task == 2


def test_all_that_is_wrong_is_told_with_its_line(folder: Path) -> None:
    (folder / "train.py").unlink()
    path = written(folder, sampling={"type": "grid", "parameter_space": {"lr": {"uniform": [3, 1]}}})
    with pytest.raises(SpecError) as caught:
        from_yaml(path)
    assert [finding.code for finding in caught.value.findings] == ["script-missing", "bad-bounds"]
    with pytest.raises(SpecError) as caught:
        from_yaml(written(folder, max_total_run=3, policy={"type": "bandits"}))
    assert {finding.code for finding in caught.value.findings} <= {"unknown-key", "unknown-kind", "bad-value"}
    assert all(f"{path}:" in finding.source for finding in caught.value.findings)


def test_the_schema_takes_what_is_right_and_nothing_else() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(json_schema())
    assert list(check.iter_errors(SWEEP)) == []
    wrong = [
        {**SWEEP, "sampling": {"parameter_space": {"lr": {"uniform": [1]}}}},
        {**SWEEP, "sampling": {"parameter_space": {"lr": {"choice": []}}}},
        {**SWEEP, "policy": {"type": "bandit", "slack": 1}},
        {**SWEEP, "max_total_run": 3},
        {name: value for name, value in SWEEP.items() if name != "primary_metric_name"},
    ]
    assert all(list(check.iter_errors(one)) for one in wrong)
