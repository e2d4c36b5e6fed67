"""The charts of a sweep: their points and axes."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.sweeps import SweepFacts, read_sweep
from slurmtf.tune import charts

from .stories import SPACE, sweep_folder


@pytest.fixture
def facts(tmp_path: Path) -> SweepFacts:
    return read_sweep(RunLayout(str(sweep_folder(tmp_path / "sweep"))))


def test_the_history_has_each_value_and_the_best_so_far(facts: SweepFacts) -> None:
    dots, best = charts.build_history_chart(facts).curves
    assert list(dots.points) == [(1.0, 0.5), (3.0, 0.75)]  # the second one failed and has none
    assert list(best.points) == [(1.0, 0.5), (3.0, 0.75)]


def test_the_best_of_a_loss_never_rises(tmp_path: Path) -> None:
    facts = read_sweep(RunLayout(str(sweep_folder(tmp_path / "sweep", goal="minimize"))))
    assert list(charts.build_history_chart(facts).curves[1].points) == [(1.0, 0.5), (3.0, 0.5)]


def test_a_slice_places_texts_by_order_and_logarithms_on_their_scale(facts: SweepFacts) -> None:
    rate, units = (charts.build_slice_chart(facts, name, expression) for name, expression in SPACE.items())
    assert (rate.log_x, units.log_x) == (True, False)
    assert list(rate.curves[0].points) == [(0.01, 0.5), (0.05, 0.75)]
    assert list(units.curves[0].points) == [(16.0, 0.5), (16.0, 0.75)]


def test_parallel_coordinates_are_scaled_with_the_best_first(facts: SweepFacts) -> None:
    best, other = charts.build_parallel_chart(facts).curves
    assert best.label == "trial 2: 0.75"
    assert list(best.points) == [(1.0, 1.0), (2.0, 0.5), (3.0, 1.0)]
    assert list(other.points) == [(1.0, 0.0), (2.0, 0.5), (3.0, 0.0)]


def test_a_sweep_without_values_has_empty_charts(tmp_path: Path) -> None:
    facts = read_sweep(RunLayout(str(sweep_folder(tmp_path / "sweep", ()))))
    assert [sum(len(curve.points) for curve in chart.curves) for chart in charts.build_charts(facts, SPACE)] == [0, 0, 0, 0]
