"""Reading the metrics of a run: Azure ML's shapes, growing files, damaged lines, bounded memory."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, Point, to_line
from slurmtf.job.contract.metrics.shapes import to_azure_shape
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.runs.metrics import reading
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.reading import MetricsReader, read_metrics, walk_children


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    (tmp_path / "metrics").mkdir()
    return RunLayout(str(tmp_path))


def planned(layout: RunLayout, *roles: tuple[str, int]) -> None:
    """Write the plan of a run with this number of tasks in each role."""
    total = sum(count for _, count in roles)
    job = JobPlan(Run("x", "x"), "slurm", Distribution(roles), Size(1, total, total))
    Path(layout.plan).write_text(json.dumps({"job": job.to_dict()}), encoding="utf-8")


def logged(layout: RunLayout, *entries: Entry, task: str = "main-0") -> Path:
    path = Path(layout.task_metrics(task))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(map(to_line, entries)))
    return path


@pytest.mark.parametrize(
    ("entries", "value"),
    [
        ([Entry("m", 0.5)], 0.5),
        ([Entry("m", "text")], "text"),
        ([Entry("m", 1), Entry("m", 2)], [1, 2]),
        ([Entry("m", [1], kind="list")], [1]),
        ([Entry("m", [1], kind="list"), Entry("m", [2, 3], kind="list")], [1, 2, 3]),
        ([Entry("m", {"x": 1, "y": 2}, kind="row")], {"x": [1], "y": [2]}),
        ([Entry("m", {"x": 1}, kind="row"), Entry("m", {"y": 2}, kind="row")], {"x": [1, None], "y": [None, 2]}),
        ([Entry("m", {"x": [1, 2], "y": [3]}, kind="table")], {"x": [1, 2], "y": [3, None]}),
        ([Entry("m", {}, kind="table")], {}),
        ([Entry("m", "metrics/m.png", kind="image")], "metrics/m.png"),
        ([Entry("m", {"data": 1}, kind="predictions")], {"data": 1}),
        ([Entry("m", 1), Entry("m", [2], kind="list")], [2]),
    ],
)
def test_metrics_have_the_shapes_of_azure_ml(entries: list[Entry], value: Any) -> None:
    assert to_azure_shape(entries) == {"m": value}


def test_tags_are_not_metrics() -> None:
    assert to_azure_shape([Entry("best", "yes", kind="tag")]) == {}


def test_one_rank_stands_for_all_unless_all_are_asked_for(layout: RunLayout) -> None:
    planned(layout, ("worker", 2))
    logged(layout, Entry("loss", 1.0), Entry("other", 2), task="worker-0")
    logged(layout, Entry("loss", 3.0), task="worker-1")
    assert read_metrics(layout, Owners(layout)) == {"loss": 1.0, "other": 2}
    assert read_metrics(layout, Owners(layout), "loss") == {"loss": 1.0}
    everything = read_metrics(layout, Owners(layout), all_ranks=True)
    assert everything == {
        "worker-0": {"loss": 1.0, "other": 2},
        "worker-1": {"loss": 3.0},
    }


def test_child_runs_are_found_with_their_metrics(layout: RunLayout) -> None:
    child = layout.child("run_a")
    logged(child, Entry("loss", 1.0))
    logged(child.child("run_a_0"), Entry("loss", 2.0))
    assert [(name, read_metrics(found, Owners(layout))) for name, found in walk_children(layout)] == [
        ("run_a", {"loss": 1.0}),
        ("run_a_0", {"loss": 2.0}),
    ]


def points(layout: RunLayout, reader: MetricsReader, name: str = "loss") -> list[tuple[float | None, float]]:
    reader.read_new()
    return [(point.step, point.value) for point in reader.series()[name].points]


def test_a_reader_continues_where_it_stopped(layout: RunLayout) -> None:
    reader = MetricsReader(layout)
    path = logged(layout, Entry("loss", 1.0, 1))
    line = to_line(Entry("loss", 2.0, 2))
    with path.open("ab") as file:
        file.write(line[:9])
    assert points(layout, reader) == [(1, 1.0)]
    with path.open("ab") as file:
        file.write(line[9:])
    assert points(layout, reader) == [(1, 1.0), (2, 2.0)]
    assert reader.read_new() == 0


def test_a_torn_line_loses_only_itself(layout: RunLayout) -> None:
    path = logged(layout, Entry("loss", 1.0))
    with path.open("ab") as file:
        file.write(to_line(Entry("loss", 2.0))[:-9] + b"\n")
    logged(layout, Entry("loss", 3.0))
    assert points(layout, MetricsReader(layout)) == [(None, 1.0), (None, 3.0)]


def test_a_replaced_file_is_read_again(layout: RunLayout) -> None:
    reader = MetricsReader(layout)
    path = logged(layout, Entry("loss", 1.0), Entry("loss", 2.0))
    points(layout, reader)
    path.unlink()
    logged(layout, Entry("loss", 3.0))
    assert points(layout, reader) == [(None, 3.0)]


def test_lists_rows_and_tables_are_series_of_their_columns(layout: RunLayout) -> None:
    logged(
        layout,
        Entry("l", [1, "text", 2], kind="list"),
        Entry("r", {"x": 1, "name": "a"}, kind="row"),
        Entry("t", {"x": [1, 2]}, kind="table"),
        Entry("text", "a"),
    )
    reader = MetricsReader(layout)
    reader.read_new()
    values = {name: [point.value for point in series.points] for name, series in reader.series().items()}
    assert values == {"l": [1, 2], "r/x": [1], "t/x": [1, 2]}


def test_a_reader_keeps_a_bounded_number_of_points_with_both_ends(layout: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_POINTS", 100)
    logged(layout, *(Entry("loss", float(step), step) for step in range(100_001)))
    kept = points(layout, MetricsReader(layout))
    assert len(kept) <= 101
    assert (kept[0], kept[-1]) == ((0, 0.0), (100_000, 100_000.0))
    steps = [step for step, _ in kept[:-1] if step is not None]
    assert len({later - earlier for earlier, later in pairwise(steps)}) == 1


def test_each_launch_may_have_its_own_folder(layout: RunLayout) -> None:
    folder = Path(layout.launch("trial-1").metrics)
    folder.mkdir(parents=True)
    (folder / "main-0.jsonl").write_bytes(to_line(Entry("loss", 1.0, time=5.0)))
    reader = MetricsReader(layout, "trial-1")
    reader.read_new()
    assert reader.series()["loss"].points == (Point(None, 1.0, 5.0),)
