"""``slurmtf metrics`` and ``slurmtf ls --metric``: tables, plots, files, and one shape of JSON."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, to_line
from tests.unit.cli.support import CommandLine, run_folder

FIRST, SECOND = "digits-20260101-000000-aaaaaa", "digits-20260101-000001-bbbbbb"


@pytest.fixture
def call(slurmtf: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "60")
    return slurmtf


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    first = [Entry("loss", 1 / n, n, 1000.0 + n) for n in range(1, 4)]
    second = [Entry("loss", 2.0, 1, 1001.0), Entry("loss", math.nan, 2, 1002.0), Entry("acc", 0.5, None, 1003.0)]
    return [run_folder(tmp_path, FIRST, *first), run_folder(tmp_path, SECOND, *second)]


def test_metrics_are_shown_as_a_table(call: CommandLine, runs: list[Path]) -> None:
    done = call("metrics", FIRST, SECOND)
    assert done.exit_code == 0
    assert done.out.splitlines() == [
        "RUN                            METRIC  LAST      STEP  MIN       MAX",
        "digits-20260101-000000-aaaaaa  loss    0.333333  3     0.333333  1",
        "digits-20260101-000001-bbbbbb  loss    nan       2     2         2",
        "digits-20260101-000001-bbbbbb  acc     0.5       1     0.5       0.5",
    ]


def test_metrics_are_printed_as_csv(call: CommandLine, runs: list[Path]) -> None:
    done = call("metrics", SECOND, "--csv")
    assert done.exit_code == 0
    assert done.out.splitlines() == [
        "run,task,name,step,time,value",
        f"{SECOND},main-0,loss,1,1001.000,2.0",
        f"{SECOND},main-0,loss,2,1002.000,nan",
        f"{SECOND},main-0,acc,,1003.000,0.5",
    ]


def test_json_has_one_shape(call: CommandLine, runs: list[Path]) -> None:
    done = call("metrics", SECOND, "--json")
    assert done.exit_code == 0

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    data = json.loads(done.out, parse_constant=refuse)["data"]
    assert data == {
        "runs": [
            {
                "run": SECOND,
                "metrics": [
                    {"name": "loss", "task": "main-0", "last": "NaN", "min": 2.0, "max": 2.0,
                     "points": [[1, 1001.0, 2.0], [2, 1002.0, "NaN"]]},
                    {"name": "acc", "task": "main-0", "last": 0.5, "min": 0.5, "max": 0.5, "points": [[None, 1003.0, 0.5]]},
                ],
                "others": [],
            }
        ]
    }  # fmt: skip


def test_metrics_are_plotted(call: CommandLine, runs: list[Path]) -> None:
    done = call("metrics", FIRST, SECOND, "--plot", "--name", "loss")
    assert done.exit_code == 0
    lines = done.out.splitlines()
    assert lines[0] == "loss"
    assert lines[-2] == f"  A ⠒⠒ {FIRST}: 0.333333 at 3"
    assert lines[-1].startswith(f"  B ⠒⠒ {SECOND}: nan at 2 (1 of 2 ")
    assert all(len(line) <= 60 for line in lines[:-2])


@pytest.mark.parametrize("name", ["plot.svg", "plot.html"])
def test_a_plot_is_written_to_a_file(call: CommandLine, runs: list[Path], tmp_path: Path, name: str) -> None:
    done = call("metrics", FIRST, SECOND, "--save", tmp_path / name)
    assert done.exit_code == 0
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.count('class="curve"') == 3
    assert name != "plot.svg" or ET.fromstring(text).get("height") == str(432 + 414)


def test_a_plot_is_written_as_png(call: CommandLine, runs: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = call("metrics", FIRST, "--save", tmp_path / "plot.png")
    assert done.exit_code == 0
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_file_type_is_refused(call: CommandLine, runs: list[Path], tmp_path: Path) -> None:
    done = call("metrics", FIRST, "--save", tmp_path / "plot.gif")
    assert done.exit_code == 2
    assert ".svg or .png or .html" in done.err


def test_a_run_without_metrics_is_reported(call: CommandLine, runs: list[Path]) -> None:
    done = call("metrics", FIRST, "--name", "f1")
    assert (done.exit_code, done.out) == (1, "")
    assert "f1" in done.err
    assert FIRST in done.err


def test_control_characters_of_logged_values_are_escaped(call: CommandLine, tmp_path: Path) -> None:
    run_folder(tmp_path, FIRST, Entry("\x1b[2Jloss\n", 1.0))
    for words in ([], ["--plot"], ["--csv"]):
        done = call("metrics", FIRST, *words)
        assert done.exit_code == 0
        assert "\x1b" not in done.out


def test_a_metric_name_is_shown_on_one_line(call: CommandLine, tmp_path: Path) -> None:
    run_folder(tmp_path, FIRST, Entry("a\nb\tc", 1.0), Entry("t\nu", "x\n" * 100))
    assert [len(call("metrics", FIRST, *words).out.splitlines()) for words in ([], ["--name", "a*"])] == [5, 2]
    assert call("metrics", FIRST, "--plot").out.splitlines()[0] == r"a\nb\tc"


def test_values_that_are_no_numbers_are_named(call: CommandLine, tmp_path: Path) -> None:
    run_folder(
        tmp_path,
        FIRST,
        Entry("table", {"a": [1, 2]}, kind="table"),
        Entry("image", "metrics/images/0.png", kind="image"),
        Entry("image", "metrics/images/1.png", kind="image"),
        Entry("matrix", {"schema_type": "confusion_matrix"}, kind="confusion_matrix"),
        Entry("best", "adam"),
        Entry("note", "of the run", kind="tag"),
    )
    rows = [line.split()[1:] for line in call("metrics", FIRST).out.splitlines() if line.startswith(FIRST)]
    assert rows == [
        ["table/a", "2", "2", "1", "2"], ["image", "image", "metrics/images/1.png"], ["matrix", "confusion_matrix"],
        ["best", "text", "adam"],
    ]  # fmt: skip
    (chosen,) = json.loads(call("metrics", FIRST, "--name", "image", "--json").out)["data"]["runs"]
    assert chosen["others"] == [{"task": "main-0", "name": "image", "kind": "image", "value": "metrics/images/1.png"}]
    assert call("metrics", FIRST, "--name", "table").out.splitlines()[1].split()[1] == "table/a"


def test_child_runs_are_included(call: CommandLine, runs: list[Path]) -> None:
    child = RunLayout(str(runs[0])).child(f"{FIRST}_fold")
    for layout, value in ((child, 5.0), (child.child(f"{FIRST}_fold_0"), 7.0)):
        Path(layout.metrics).mkdir(parents=True)
        Path(layout.task_metrics("main-0")).write_bytes(to_line(Entry("loss", value)))
    shown = [line.split()[:3] for line in call("metrics", FIRST, "--recursive").out.splitlines()[1:]]
    assert shown == [[FIRST, "loss", "0.333333"], [f"{FIRST}_fold", "loss", "5"], [f"{FIRST}_fold_0", "loss", "7"]]
    alone = call("metrics", FIRST)
    assert (len(alone.out.splitlines()), "--recursive" in alone.err) == (2, True)
    assert Run(runs[0]).get_metrics(recursive=True) == {
        FIRST: {"loss": [1.0, 0.5, 1 / 3]},
        f"{FIRST}_fold": {"loss": 5.0},
        f"{FIRST}_fold_0": {"loss": 7.0},
    }


def test_the_metrics_of_every_task_are_shown(call: CommandLine, tmp_path: Path) -> None:
    run_folder(tmp_path, FIRST, Entry("loss", 1.0))
    run_folder(tmp_path, FIRST, Entry("loss", 2.0), task="main-1")
    done = call("metrics", FIRST, "--all-ranks", "--csv")
    assert done.exit_code == 0
    assert [line.split(",")[1] for line in done.out.splitlines()] == ["task", "main-0", "main-1"]


@pytest.mark.parametrize(("words", "order"), [([], "CAB"), (["--lowest-first"], "BAC")])
def test_runs_are_sorted_by_a_metric(call: CommandLine, tmp_path: Path, words: list[str], order: str) -> None:
    for name, value in (("A", 0.5), ("B", 0.1), ("C", 0.9), ("D", math.nan)):
        run_folder(tmp_path, f"digits-{name}", Entry("acc", 0.0), Entry("acc", value))
    run_folder(tmp_path, "digits-E", Entry("loss", 1.0))
    done = call("ls", "--metric", "acc", *words)
    assert done.exit_code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:4] == ["RUN", "STATUS", "acc", "JOB"]
    assert [line.split()[0] for line in lines[1:]] == [f"digits-{name}" for name in [*order, "D", "E"]]
    done = call("ls", "--metric", "acc", "--json", *words)
    assert done.exit_code == 0
    data = json.loads(done.out)["data"]
    assert [one["metric"] for one in data[-2:]] == [{"name": "acc", "last": "NaN"}, {"name": "acc", "last": None}]


def test_the_status_shows_the_primary_metric(call: CommandLine, runs: list[Path]) -> None:
    done = call("status", FIRST)
    assert done.exit_code == 0
    assert "metric     loss 0.333333 at 3" in done.out
