"""Sweeps as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import slurmtf
from slurmtf.errors import SpecError
from slurmtf.migration import Kind, read_azureml
from slurmtf.tune.document import build_sweep_schema, from_yaml
from slurmtf.tune.policies import BanditPolicy
from tests.unit.support import tells

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


def test_a_sweep_is_read_from_a_file(folder: Path) -> None:
    sweep = from_yaml(written(folder))
    assert (sweep.max_total_runs, sweep.sampling.seed, sweep.policy) == (20, 7, BanditPolicy(slack_factor=0.1))
    assert sweep.estimator.source_directory == str(folder)
    assert sweep.estimator.script_params == {"--epochs": 3}


def test_the_estimator_may_be_a_separate_job_file(folder: Path) -> None:
    (folder / "job.yaml").write_text("entry_script: train.py\ncpus_per_task: 2\n")
    assert from_yaml(written(folder, estimator="job.yaml"), {"compute_target": "slurm"}).estimator.cpus_per_task == 2


def test_errors_of_the_estimators_settings_have_the_lines_of_the_sweep_file(folder: Path) -> None:
    path = written(folder)
    text = path.read_text().replace("--epochs: 3", "--epochs: 007\n    --version: 2.10")
    path.write_text(f"# a comment\n{text}")
    assert from_yaml(path).estimator.script_params == {"--epochs": "007", "--version": "2.10"}
    path.write_text(path.read_text().replace("entry_script: train.py", "entry_script: train.py\n  memroy: 4G"))
    with pytest.raises(SpecError) as caught:
        from_yaml(path)
    assert [finding.source for finding in caught.value.findings] == [f"{path}:4: memroy"]


def test_all_errors_are_reported_with_their_line(folder: Path) -> None:
    (folder / "train.py").unlink()
    path = written(folder, sampling={"type": "grid", "parameter_space": {"lr": {"uniform": [3, 1]}}})
    with pytest.raises(SpecError) as caught:
        from_yaml(path)
    assert [finding.code for finding in caught.value.findings] == ["script-missing", "bad-bounds"]


def test_an_error_in_one_part_hides_none_in_another(folder: Path) -> None:
    space = {
        "lr": {"uniform": [3, 1]},
        "units": {"choise": [1]},
        "estimator.memory": {"choice": ["1G"]},
        "estimator.entry_script": {"uniform": [0, 1]},
    }
    changes: dict[str, Any] = {
        "estimator": {"entry_script": "trian.py", "memroy": "1G", "time": "soon"},
        "sampling": {"type": "grid", "parameter_space": space},
        "primary_metric_goal": "up",
        "primary_metric_name": "",
        "max_total_runs": 2000,
        "max_concurrent_runs": "some",
        "max_total_run": 3,
        "policy": {"type": "bandit", "slack": 1},
    }
    path = written(folder, **changes)
    with pytest.raises(SpecError) as caught:
        from_yaml(path)
    findings = sorted((finding.code, finding.source.partition(": ")[2]) for finding in caught.value.findings)
    assert findings == [
        ("bad-bounds", "sampling.parameter_space.lr"),
        ("bad-time", "time"),
        ("bad-value", "max_concurrent_runs"),
        ("bad-value", "primary_metric_goal"),
        ("no-metric", "primary_metric_name"),
        ("not-in-grid", "sampling.parameter_space.estimator.entry_script"),
        ("out-of-range", "max_total_runs"),
        ("script-missing", "entry_script"),
        ("setting-not-listed", "sampling.parameter_space.estimator.entry_script"),
        ("setting-stays", "sampling.parameter_space.estimator.memory"),
        ("unknown-expression", "sampling.parameter_space.units"),
        ("unknown-key", "max_total_run"),
        ("unknown-key", "memroy"),
        ("unknown-key", "policy.slack"),
    ]


@pytest.mark.parametrize("option", ["007", "2.10", "0x1F", "-01", "0.10"])
def test_an_option_possibly_meant_as_text_is_refused_with_both_spellings(folder: Path, option: str) -> None:
    path = written(folder)
    path.write_text(path.read_text().replace("- 16", f"- {option}"))
    with pytest.raises(SpecError) as caught:
        from_yaml(path)
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("ambiguous-number", "parameter_space['units']")
    assert finding.source.startswith(f"{path}:")
    assert tells(finding, f"'{option}'")


@pytest.mark.parametrize(
    ("option", "value"), [("'007'", "007"), ("1e-3", 0.001), (".5", 0.5), ("1.0", 1.0), ("10", 10), ("0", 0), ("true", True)]
)
def test_options_have_the_types_of_yaml(folder: Path, option: str, value: object) -> None:
    path = written(folder)
    path.write_text(path.read_text().replace("- 16", f"- {option}"))
    found = from_yaml(path).sampling.parameter_space["units"].args[0]
    assert (found, type(found)) == (value, type(value))


def test_the_schema_accepts_exactly_valid_sweeps() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(build_sweep_schema())
    assert list(check.iter_errors(SWEEP)) == []
    several = {"estimator.process_count_per_node": {"choice": [1, 2]}, "environment_variables.DEPTH": {"randint": 4}}
    assert list(check.iter_errors({**SWEEP, "sampling": {"parameter_space": several}})) == []
    wrong = [
        {**SWEEP, "sampling": {"parameter_space": {"estimator.cpus_per_task": {"uniform": [1, 4]}}}},
        {**SWEEP, "sampling": {"parameter_space": {"estimator.memory": {"choice": ["4G", "8G"]}}}},
        {**SWEEP, "sampling": {"parameter_space": {"lr": {"uniform": [1]}}}},
        {**SWEEP, "sampling": {"parameter_space": {"lr": {"choice": []}}}},
        {**SWEEP, "policy": {"type": "bandit", "slack": 1}},
        {**SWEEP, "max_total_run": 3},
        {name: value for name, value in SWEEP.items() if name != "primary_metric_name"},
    ]
    assert all(list(check.iter_errors(one)) for one in wrong)


IMPORTED = """
from azureml.train.dnn import TensorFlow
from azureml.train.hyperdrive import *
estimator = TensorFlow('.', entry_script='train.py', script_params={{'--epochs': 3}})
config = HyperDriveConfig({sampling}, 'acc', PrimaryMetricGoal.MINIMIZE, 9, 3, 600, {policy}, estimator)
"""


@pytest.mark.parametrize(
    ("sampling", "policy"),
    [
        ("RandomParameterSampling({'--lr': loguniform(-6, -1), 'n': randint(4)})", "BanditPolicy(2, slack_factor=0.1)"),
        (
            "RandomParameterSampling({'q': quniform(1, 10, 3)})",
            "MedianStoppingPolicy(1, delay_evaluation=5)",
        ),
        ("RandomParameterSampling({'m': qlognormal(0, 1, 2)})", "TruncationSelectionPolicy(20, 1, 2)"),
        ("GridParameterSampling({'a': choice(1, 2), 'b': choice(['x', 'y'])})", "NoTerminationPolicy()"),
        ("BayesianParameterSampling({'x': uniform(0, 1), 'k': choice(range(3))})", "None"),
    ],
)
def test_import_azureml_writes_the_sweep_of_the_script(tmp_path: Path, sampling: str, policy: str) -> None:
    (tmp_path / "train.py").write_text("")
    script = tmp_path / "submit.py"
    script.write_text(IMPORTED.format(sampling=sampling, policy=policy))
    imported = read_azureml(script, tmp_path)
    for written in imported.files:
        (tmp_path / written.name).write_text(written.text)
    assert [note.what for note in imported.notes if note.kind is Kind.DECIDE] == []
    found = from_yaml(tmp_path / "sweep.yaml")

    lines = [line for line in script.read_text().splitlines() if not line.startswith(("from", "estimator"))]
    names = {name: getattr(slurmtf, name) for name in slurmtf.__all__}
    names["estimator"] = slurmtf.TensorFlow(tmp_path, entry_script="train.py", script_params={"--epochs": 3})
    exec("\n".join(lines), names)
    expected = names["config"].settled
    assert (found.estimator.script_params, found.estimator.script) == ({"--epochs": 3}, "train.py")
    for name in ("sampling", "primary_metric_name", "primary_metric_goal", "max_total_runs", "max_concurrent_runs",
                 "max_duration_minutes", "policy"):  # fmt: skip
        assert getattr(found, name) == getattr(expected, name), name
