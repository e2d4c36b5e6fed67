"""Sweeps and their errors, which are reported at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import SpecError
from slurmtf.estimator import TensorFlow
from slurmtf.job.contract.sweep.records import Settings, build_arguments, select_variables
from slurmtf.sites.model import Launcher, Site
from slurmtf.tune.azureml import NOT_HERE, HyperDriveConfig
from slurmtf.tune.goal import PrimaryMetricGoal
from slurmtf.tune.policies import BanditPolicy
from slurmtf.tune.samplers import BayesianParameterSampling, GridParameterSampling, RandomParameterSampling
from slurmtf.tune.spaces import choice, uniform
from slurmtf.tune.submitting import avoid_job_steps
from slurmtf.tune.sweep import Sweep

SPACE = {"--lr": uniform(0, 1), "units": choice(16, 32)}


@pytest.fixture
def estimator(tmp_path: Path) -> TensorFlow:
    (tmp_path / "train.py").write_text("")
    return TensorFlow(tmp_path, script_params={"--lr": 0.1, "--epochs": 3})


def sweep(estimator: Any, sampling: Any = None, **settings: Any) -> Sweep:
    known = {"primary_metric_name": "accuracy", "primary_metric_goal": "MAXIMIZE", "max_total_runs": 10, **settings}
    return Sweep(estimator, sampling or RandomParameterSampling(SPACE, seed=1), **known)


def codes(estimator: Any, sampling: Any = None, **settings: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        sweep(estimator, sampling, **settings)
    return [finding.code for finding in caught.value.findings]


def test_the_spaces_argument_takes_precedence_with_a_warning(estimator: TensorFlow) -> None:
    found = sweep(estimator)
    assert found.trial_estimator.script_params == {"--epochs": 3}
    assert [warning.code for warning in found.warnings] == ["parameter-twice"]


def test_restarts_of_the_estimator_have_no_effect_in_a_sweep(estimator: TensorFlow) -> None:
    found = sweep(replace(estimator, script_params={}, restarts={"preempted": 3}))
    assert [(warning.code, warning.where) for warning in found.warnings] == [("restarts-in-sweep", "restarts")]


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({"max_total_runs": 10}, (6, 6, 6)),  # a grid has six points
        ({"max_total_runs": 4}, (4, 4, 4)),
        ({"max_total_runs": 10, "max_concurrent_runs": 8}, (6, 6, 6)),
        ({"max_total_runs": 10, "max_concurrent_runs": 2}, (6, 2, 6)),
        ({"max_total_runs": 10, "elements": 3}, (6, 6, 3)),
        ({"max_total_runs": 10, "elements": 9}, (6, 6, 6)),
    ],
)
def test_a_grid_has_no_more_trials_and_elements_than_points(
    estimator: TensorFlow, settings: dict[str, int], counts: tuple[int, int, int]
) -> None:
    grid = GridParameterSampling({"units": choice(16, 32, 64), "depth": choice(1, 2)})
    found = sweep(estimator, grid, **settings)
    assert (found.total, found.concurrent, found.element_count) == counts


def test_all_errors_of_a_sweep_are_reported_at_once() -> None:
    found = codes(
        "x", 5, primary_metric_name="", primary_metric_goal="up", max_total_runs=0, max_concurrent_runs=101, policy="bandit",
        max_duration_minutes=1.5, elements=0,
    )  # fmt: skip
    assert found == [
        "no-estimator", "no-sampling", "no-metric", "bad-goal", "bad-policy",
        "out-of-range", "out-of-range", "not-a-count", "out-of-range", "out-of-range",
    ]  # fmt: skip


@pytest.mark.parametrize("total", [1, 1000])
def test_total_runs_within_the_bounds_are_accepted(estimator: TensorFlow, total: int) -> None:
    assert sweep(estimator, max_total_runs=total).total == total


@pytest.mark.parametrize("total", [0, 1001, True, 2.0, None])
def test_total_runs_outside_the_bounds_are_refused(estimator: TensorFlow, total: Any) -> None:
    assert len(codes(estimator, max_total_runs=total)) == 1


def test_more_concurrent_runs_than_total_runs_are_refused(estimator: TensorFlow) -> None:
    assert codes(estimator, max_total_runs=3, max_concurrent_runs=4) == ["out-of-range"]


def test_a_grid_limits_the_trials(estimator: TensorFlow) -> None:
    found = sweep(estimator, GridParameterSampling({"a": choice(1, 2), "b": choice(1, 2)}), max_total_runs=100)
    assert found.total == found.element_count == len(found.draw_points()[1]) == 4


def test_bayesian_sampling_excludes_policies_and_warns_of_few_or_concurrent_runs(estimator: TensorFlow) -> None:
    sampling = BayesianParameterSampling({"lr": uniform(0, 1), "momentum": uniform(0, 1)})
    assert "policy-with-bayesian" in codes(estimator, sampling, policy=BanditPolicy(slack_factor=0.1))
    warned = [warning.code for warning in sweep(estimator, sampling, max_total_runs=30, max_concurrent_runs=21).warnings]
    assert warned == ["few-runs", "many-at-once", "parameter-twice"]


def test_a_week_is_the_longest_duration(estimator: TensorFlow) -> None:
    found = sweep(estimator, max_duration_minutes=20000)
    assert [warning.code for warning in found.warnings] == ["parameter-twice", "long-sweep"]
    assert found.build_settings(1, 1000.0).deadline == 1000 + 60 * 10080


def test_parameters_with_the_same_argument_or_none_are_refused(estimator: TensorFlow) -> None:
    space = {"lr": uniform(0, 1), "--lr": uniform(0, 1), "--": uniform(0, 1), "environment_variables.A B": choice("x")}
    assert codes(estimator, RandomParameterSampling(space)) == ["parameter-twice", "bad-parameter", "bad-parameter"]


def test_a_point_becomes_arguments_and_variables() -> None:
    values = {"lr": 0.1, "-b": 3, "--flag": "", "--xs": [1, 2], "--on": True, "environment_variables.DEPTH": 4}
    assert build_arguments(values) == ["--lr", "0.1", "-b", "3", "--flag", "--xs", "1", "2", "--on", "True"]
    assert select_variables(values) == {"DEPTH": "4"}


def test_hyperdrives_spelling_gives_the_same_sweep(estimator: TensorFlow) -> None:
    sampling = RandomParameterSampling(SPACE, seed=1)
    config = HyperDriveConfig(sampling, "accuracy", PrimaryMetricGoal.MAXIMIZE, 10, estimator=estimator)
    assert config.settled == sweep(estimator, sampling)


def test_unsupported_features_of_hyperdrive_are_refused() -> None:
    asked: dict[str, Any] = dict.fromkeys(NOT_HERE, object())
    with pytest.raises(SpecError) as caught:
        HyperDriveConfig(RandomParameterSampling(SPACE), "a", "minimize", 3, **asked)
    assert [finding.where for finding in caught.value.findings] == [
        "run_config",
        "pipeline",
    ]


def test_settings_survive_writing_and_reading(estimator: TensorFlow) -> None:
    settings = sweep(estimator, policy=BanditPolicy(2, slack_amount=0.5), max_concurrent_runs=2).build_settings(7, 100.0)
    assert Settings.from_dict({**settings.to_dict(), "future": 1}) == settings
    with pytest.raises(ValueError, match="newer"):
        Settings.from_dict({**settings.to_dict(), "schema": 99})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (1, 10, 10)),
        ({"trials_per_element": 4, "max_concurrent_runs": 8}, (4, 3, 2)),
        ({"trials_per_element": 4, "max_concurrent_runs": 3}, (3, 4, 1)),
        ({"trials_per_element": 20}, (10, 1, 1)),
        ({"trials_per_element": 2, "elements": 2, "max_concurrent_runs": 5}, (2, 2, 2)),
    ],
)
def test_concurrent_trials_do_not_exceed_their_limit(
    estimator: TensorFlow, settings: Any, expected: tuple[int, int, int]
) -> None:
    found = sweep(estimator, **settings)
    assert (found.per_element, found.element_count, found.elements_at_once) == expected


def test_trials_sharing_an_element_use_one_node_without_job_steps(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    several = TensorFlow(tmp_path, node_count=2, process_count_per_node=1, distributed_backend="mpi", launcher="srun")
    assert codes(several, trials_per_element=2) == ["too-large-trials", "launcher-unfit"]


@pytest.mark.parametrize(
    ("settings", "site", "launcher"),
    [
        ({}, {}, "none"),
        ({"launcher": "srun"}, {}, "srun"),
        ({"srun": {"cpu-bind": "none"}}, {}, None),
        ({}, {"single": "srun"}, None),
        ({}, {"forbidden": ["none"]}, None),
        ({"node_count": 2, "process_count_per_node": 1, "distributed_backend": "mpi"}, {}, None),
    ],
)
def test_a_trial_of_one_process_needs_no_job_step(tmp_path: Path, settings: Any, site: Any, launcher: str | None) -> None:
    (tmp_path / "train.py").write_text("")
    target = Site(name="lab", launcher=Launcher(**site))
    found = sweep(TensorFlow(tmp_path, compute_target=target, **settings))
    assert avoid_job_steps(found, found.trial_estimator).launcher == launcher
