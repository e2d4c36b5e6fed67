"""The primary metric of a running trial: from what its script logs, or from TensorBoard's event files."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, to_line
from slurmtf.job.sweep.progress import Progress
from tests.unit.runs.metrics.test_event_files import event, record, simple

NAME = "events.out.tfevents.1.node1"


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    found = RunLayout(str(tmp_path / "trial"))
    for path in (found.metrics, found.logs, found.outputs):
        Path(path).mkdir(parents=True)
    return found


def log(layout: RunLayout, *values: float, name: str = "acc") -> None:
    with open(layout.task_metrics("main-0"), "ab") as file:
        file.writelines(to_line(Entry(name, value)) for value in values)


def board(layout: RunLayout, *values: float, tag: str = "epoch_acc", file: str = f"validation/{NAME}") -> None:
    path = Path(layout.logs, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as events:
        events.writelines(record(event(step, tag, simple(value))) for step, value in enumerate(values))


def progress(layout: RunLayout, metric: str = "acc", resumes: bool = False) -> Progress:
    return Progress(layout, "main-0", metric, resumes)


def test_logged_values_are_read_as_they_arrive(layout: RunLayout) -> None:
    known = progress(layout)
    log(layout, 0.5)
    log(layout, 3.0, name="loss")
    assert known.read_new() == [0.5]
    log(layout, 0.75)
    assert (known.read_new(), known.read_new(), known.values, known.names) == ([0.75], [], [0.5, 0.75], {"loss"})


def test_event_files_are_read_as_they_grow_and_completely_at_the_end(layout: RunLayout) -> None:
    known = progress(layout, "validation/epoch_acc")
    board(layout, 0.5)
    assert known.read_new() == [0.5]
    board(layout, 0.75)
    board(layout, 1.0, file=f"validation/{NAME}.later")
    assert known.read_new() == [0.75]
    assert known.read_new(at_end=True) == [1.0]


def test_names_of_other_metrics_are_collected(layout: RunLayout) -> None:
    known = progress(layout)
    board(layout, 0.5)
    log(layout, 0.5, name="loss")
    assert (known.read_new(), known.names) == ([], {"validation/epoch_acc", "loss"})


def test_logged_values_win_over_event_files(layout: RunLayout) -> None:
    known = progress(layout)
    log(layout, 0.5)
    board(layout, 0.25, tag="acc", file=NAME)
    assert (known.read_new(), known.read_new(at_end=True)) == ([0.5], [])


def test_event_files_of_another_task_do_not_count(layout: RunLayout) -> None:
    known = progress(layout, "train/epoch_acc")
    for task, value in (("main-0", 0.5), ("main-1", 0.9)):
        board(layout, value, file=f"../outputs/tensorboard/{task}/train/{NAME}")
    assert known.read_new(at_end=True) == [0.5]


@pytest.mark.parametrize(("resumes", "values"), [(False, [0.75]), (True, [0.5, 0.75])])
def test_an_earlier_attempt_counts_if_trials_resume(layout: RunLayout, resumes: bool, values: list[float]) -> None:
    board(layout, 0.5, tag="acc", file=NAME)
    known = progress(layout, resumes=resumes)
    board(layout, 0.75, tag="acc", file=f"{NAME}.second")
    assert known.read_new(at_end=True) == values
