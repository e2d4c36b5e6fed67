"""A sweep that starts from others: from the results of their trials, and with trials that are resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import SpecError
from slurmtf.estimator import TensorFlow
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import COMPLETED, EarlierTrial, Result, Stopping, SweepLayout
from slurmtf.job.sweep import policies
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.tune.azureml import HyperDriveConfig
from slurmtf.tune.earlier import Start, resolve_start
from slurmtf.tune.run import SweepRun
from slurmtf.tune.samplers import BayesianParameterSampling, RandomParameterSampling
from slurmtf.tune.spaces import choice, loguniform, uniform
from slurmtf.tune.submitting import format_json_lines
from slurmtf.tune.sweep import Sweep

from .stories import POINTS, sweep_folder

NAME = "tune-20260101-000000-aaaaaa"
SPACE = {"lr": loguniform(-6, -1), "units": choice(16, "wide")}


@pytest.fixture
def parent(tmp_path: Path) -> SweepRun:
    return SweepRun(sweep_folder(tmp_path / "runs" / "tune" / NAME, ended=RunState(RunStatus.CANCELED)))


@pytest.fixture
def estimator(tmp_path: Path) -> TensorFlow:
    (tmp_path / "train.py").write_text("")
    return TensorFlow(tmp_path)


def sweep(estimator: TensorFlow, sampling: Any = None, **settings: Any) -> Sweep:
    known = {"primary_metric_name": "acc", "primary_metric_goal": "maximize", "max_total_runs": 6, **settings}
    return Sweep(estimator, sampling or RandomParameterSampling(SPACE, seed=1), **known)


@pytest.mark.parametrize("by_name", [True, False])
def test_results_of_earlier_trials_are_read(parent: SweepRun, estimator: TensorFlow, tmp_path: Path, by_name: bool) -> None:
    start = resolve_start(sweep(estimator, warm_start_from=[NAME if by_name else parent]), tmp_path / "runs")
    assert start == Start(
        (str(parent.folder),),
        (EarlierTrial(POINTS[0], (0.25, 0.5), 0.5), EarlierTrial(POINTS[1]), EarlierTrial(POINTS[2], (0.375, 0.75), 0.75)),
    )


def test_resumed_trials_come_first_and_count(parent: SweepRun, estimator: TensorFlow, tmp_path: Path) -> None:
    found = sweep(estimator, resume_child_runs=[f"{NAME}_2", parent.get_child(0)])
    points = resolve_start(found, tmp_path / "runs").points
    assert [(point.values, point.by, point.resumes) for point in points] == [
        (POINTS[2], "resumed", str(parent.folder / "trials/2/outputs")),
        (POINTS[0], "resumed", str(parent.folder / "trials/0/outputs")),
    ]
    assert (found.total, len(found.draw_points()[1])) == (6, 4)


def test_everything_that_it_can_not_start_from_is_reported(estimator: TensorFlow, tmp_path: Path) -> None:
    sweep_folder(tmp_path / "runs" / "tune" / NAME, metric="loss")
    asked = sweep(estimator, BayesianParameterSampling({"lr": uniform(0, 1)}), warm_start_from=[NAME, "nowhere"],
                  resume_child_runs=[f"{NAME}_3"])  # fmt: skip
    with pytest.raises(SpecError) as caught:
        resolve_start(asked, tmp_path / "runs")
    codes = [finding.code for finding in caught.value.findings if finding.is_error]
    assert codes == ["unknown-run", "unknown-trial", "sweep-goes-on", "another-metric", "another-space"]


def test_more_resumed_trials_than_total_runs_are_refused(estimator: TensorFlow) -> None:
    with pytest.raises(SpecError) as caught:
        sweep(estimator, max_total_runs=1, resume_child_runs=["a_1", "a_2"])
    assert [finding.code for finding in caught.value.findings] == ["out-of-range"]
    with pytest.raises(SpecError) as caught:
        sweep(estimator, warm_start_from=NAME)
    assert [finding.code for finding in caught.value.findings] == ["not-a-list"]


def test_policies_compare_with_earlier_trials(tmp_path: Path) -> None:
    folder = sweep_folder(tmp_path / "second", [Result(0, COMPLETED, started=1.0, ended=2.0, best=0.4)])
    layout = SweepLayout(str(folder))
    Path(layout.earlier).write_text(format_json_lines([EarlierTrial({"lr": 1}, (0.9, 0.9, 0.9), 0.9)]))
    ledger = Ledger(layout)
    ledger.reports.refresh()
    assert ledger.collect_curves() == {-1: [0.9, 0.9, 0.9], 0: [0.2, 0.4]}
    assert policies.should_stop(Stopping("bandit", slack_factor=0.2), 1, 0, ledger.collect_curves())


def test_the_best_trial_may_be_an_earlier_one(parent: SweepRun, tmp_path: Path) -> None:
    folder = sweep_folder(tmp_path / "second", [Result(0, COMPLETED, started=1.0, ended=2.0, best=0.4)],
                          ended=RunState(RunStatus.COMPLETED))  # fmt: skip
    settings = Path(SweepLayout(str(folder)).settings)
    settings.write_text(settings.read_text().replace('"space"', f'"warm_start_from": ["{parent.folder}"], "space"'))
    found = SweepRun(folder)
    best, own = found.get_best_run_by_primary_metric(), found.get_best_run_by_primary_metric(include_resume_from_runs=False)
    assert (best and best.best, own and own.best) == (0.75, 0.4)


def test_azure_mls_keywords_are_accepted(estimator: TensorFlow, parent: SweepRun) -> None:
    sampling = RandomParameterSampling(SPACE)
    config = HyperDriveConfig(
        sampling, "acc", "maximize", 3, estimator=estimator, resume_from=parent, resume_child_runs=["x_1"]
    )
    assert (config.settled.warm_start_from, config.settled.resume_child_runs) == ((parent,), ("x_1",))
