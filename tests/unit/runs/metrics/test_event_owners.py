"""Which task owns an event file: by its folder, by the process that wrote it, or else the chief."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.events import TaskStarted
from slurmtf.job.contract.attempt.journal import Journal
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.event_files import find_event_files
from slurmtf.job.contract.roles import assign_in_blocks
from slurmtf.runs.metrics.event_owners import Owners, Writer, find_named_task, find_starter, parse_writer
from slurmtf.runs.metrics.reading import MetricsReader, read_metrics
from tests.unit.runs.metrics.test_event_files import written
from tests.unit.runs.metrics.test_metrics import planned

OF_2, OF_15 = "events.out.tfevents.1795876678.node1.1234.0.v2", "events.out.tfevents.1795876678.node1"
ROLES = assign_in_blocks((("ps", 1), ("worker", 2)), 3)


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        (OF_2, Writer("node1", 1234)),
        ("events.out.tfevents.1795876678.node1.cluster.example.1234.0.v2", Writer("node1.cluster.example", 1234)),
        ("events.out.tfevents.1795876678.node1.1234.7", Writer("node1", 1234)),
        ("events.out.tfevents.1795876678.node1.1234.7.profile.empty", Writer("node1", 1234)),
        (OF_15, Writer("node1", 0)),
        ("tfevents", None),
    ],
)
def test_a_file_name_contains_host_and_process(name: str, writer: Writer | None) -> None:
    assert parse_writer(name) == writer


@pytest.mark.parametrize(
    ("folder", "task"),
    [
        ("outputs/worker-1/train", "worker-1"),
        ("outputs/rank_0", "ps-0"),
        ("outputs/rank2", "worker-1"),
        ("outputs/rank-3", None),
        ("outputs/worker-7", None),
        ("outputs/1", None),
        ("outputs/ranking-1", None),
    ],
)
def test_a_folder_names_a_task(folder: str, task: str | None) -> None:
    assert find_named_task(folder.split("/"), ROLES) == task


FIRST, SECOND = TaskStarted(0, "rank-0", "node1", 10), TaskStarted(1, "rank-1", "node1", 11)
THIRD = TaskStarted(2, "rank-2", "node2", 10)


@pytest.mark.parametrize(
    ("writer", "task"),
    [
        (Writer("node1", 11), "rank-1"),
        (Writer("node1.example", 10), "rank-0"),
        (Writer("node2", 10), "rank-2"),
        (Writer("node2", 99), "rank-2"),
        (Writer("node2", 0), "rank-2"),
        (Writer("node1", 99), None),
        (Writer("elsewhere", 11), "rank-1"),
        (Writer("elsewhere", 10), None),
        (Writer("elsewhere", 0), None),
    ],
)
def test_a_process_belongs_to_a_task(writer: Writer, task: str | None) -> None:
    assert find_starter(writer, [FIRST, SECOND, THIRD]) == task


def test_unrecorded_processes_belong_to_no_task() -> None:
    assert find_starter(Writer("node1", 0), [FIRST._replace(pid=0), SECOND._replace(pid=0)]) is None


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    found = RunLayout(str(tmp_path / "rank-1" / "run"))
    for folder in (found.metrics, found.outputs, found.journals):
        Path(folder).mkdir(parents=True)
    planned(found, ("rank", 2))
    for event in (FIRST, SECOND):
        Journal(found.journal("5", 0)).write(event)
    return found


def test_each_file_belongs_to_its_task(layout: RunLayout) -> None:
    written(f"{layout.board('rank-0')}/train", OF_2, 1.0)
    written(f"{layout.board('rank-1')}/train", OF_2, 2.0)
    written(f"{layout.outputs}/tb", "events.out.tfevents.1.node1.11.0.v2", 3.0)
    written(f"{layout.outputs}/rank_1", OF_2, 4.0)
    written(f"{layout.outputs}/other", OF_2, 5.0)
    found = read_metrics(layout, Owners(layout), all_ranks=True)
    assert found == {
        "rank-0": {"train/loss": 1.0, "other/loss": 5.0},
        "rank-1": {"train/loss": 2.0, "tb/loss": 3.0, "rank_1/loss": 4.0},
    }
    reader = MetricsReader(layout)
    reader.read_new()
    assert {task: {name: one.points[0].value for name, one in reader.series(task).items()} for task in reader.tasks} == found


def test_a_file_of_an_unknown_process_belongs_to_the_chief(layout: RunLayout) -> None:
    written(layout.outputs, OF_15, 1.0)
    (file,) = find_event_files(layout)
    assert Owners(layout).find_task(file) == "rank-0"


def test_without_a_plan_a_file_belongs_to_the_only_task(layout: RunLayout) -> None:
    Path(layout.plan).unlink()
    written(layout.outputs, OF_2, 1.0)
    (file,) = find_event_files(layout)
    assert Owners(layout).find_task(file) == "main-0"
