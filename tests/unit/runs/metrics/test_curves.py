"""Metrics as curves: which are shown, in which order, and the position of each value."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, Point, to_line
from slurmtf.runs.metrics.curves import RunSeries, build_charts, compute_x_values, read_series, select_series
from slurmtf.runs.metrics.reading import MetricsReader, Series


def reader(folder: Path, **tasks: list[Entry]) -> MetricsReader:
    layout = RunLayout(str(folder))
    Path(layout.metrics).mkdir(parents=True)
    for task, entries in tasks.items():
        Path(layout.task_metrics(task.replace("_", "-"))).write_bytes(b"".join(map(to_line, entries)))
    found = MetricsReader(layout)
    found.read_new()
    return found


def series(*points: tuple[float | None, float]) -> Series:
    return Series("loss", "main-0", tuple(Point(step, value, 0.0) for step, value in points))


@pytest.mark.parametrize(
    ("points", "xs"),
    [
        ([(0, 5), (10, 4)], [0, 10]),
        ([(None, 5), (None, 4)], [1, 2]),
        ([(0, 5), (None, 4), (7, 3)], [1, 2, 3]),
        ([], []),
    ],
)
def test_positions_of_values_on_the_x_axis(points: list[tuple[float | None, float]], xs: list[float]) -> None:
    assert compute_x_values(series(*points)) == xs


@pytest.mark.parametrize(
    ("values", "bounds"),
    [([3, 1, 2], (1, 3)), ([math.nan, 2], (2, 2)), ([-math.inf, 0], (-math.inf, 0)), ([math.nan], None)],
)
def test_bounds_of_a_curve(values: list[float], bounds: tuple[float, float] | None) -> None:
    found = RunSeries("a", series(*((None, value) for value in values))).bounds
    assert found == bounds if bounds else all(map(math.isnan, found))


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ((), ["loss", "loss", "val_loss", "val_acc"]),
        (("val_*",), ["val_loss", "val_acc"]),
        (("loss", "val_acc"), ["loss", "loss", "val_acc"]),
        (("LOSS",), []),
        (("los?",), ["loss", "loss"]),
    ],
)
def test_names(tmp_path: Path, patterns: tuple[str, ...], names: list[str]) -> None:
    readers = {
        "a": reader(tmp_path / "a", main_0=[Entry("loss", 1), Entry("val_loss", 2), Entry("text", "no number")]),
        "b": reader(tmp_path / "b", main_0=[Entry("val_acc", 1), Entry("loss", 2)]),
    }
    assert [one.name for one in select_series(readers, patterns)] == names


def test_curves_of_all_ranks_if_asked_for(tmp_path: Path) -> None:
    readers = {"a": reader(tmp_path, main_0=[Entry("loss", 1)], main_1=[Entry("loss", 2)])}
    assert [(one.series.task, one.last) for one in select_series(readers)] == [("main-0", 1)]
    assert [(one.series.task, one.last) for one in select_series(readers, (), True)] == [("main-0", 1), ("main-1", 2)]


def test_curves_of_several_runs_share_a_chart(tmp_path: Path) -> None:
    readers = {
        "a": reader(tmp_path / "a", main_0=[Entry("loss", 2, 0), Entry("loss", 1, 5), Entry("acc", 0.5)]),
        "b": reader(tmp_path / "b", main_0=[Entry("loss", 3, 0)]),
    }
    loss, acc = build_charts(select_series(readers), log=True)
    assert (loss.title, acc.title, loss.log_y) == ("loss", "acc", True)
    assert [(curve.label, list(curve.points)) for curve in loss.curves] == [
        ("a: 1 at 5", [(0, 2), (5, 1)]), ("b: 3 at 0", [(0, 3)])]  # fmt: skip


def test_last_value_of_a_metric(tmp_path: Path) -> None:
    reader(tmp_path, main_0=[Entry("loss", 2, 0), Entry("loss", 1.5, 5)])
    found = read_series(RunLayout(str(tmp_path)), "loss")
    assert found is not None
    assert (found.last, found.last_step) == (1.5, 5)
    assert read_series(RunLayout(str(tmp_path)), "acc") is None
    assert read_series(RunLayout(str(tmp_path / "none")), "acc") is None
