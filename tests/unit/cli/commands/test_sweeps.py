"""``slurmtf sweep``, and what other commands print about a sweep."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from slurmtf.experiments.run import Run
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.sweep.records import COMPLETED, FAILED, Result
from slurmtf.runs.states.state import RunState, RunStatus
from tests.unit.cli.support import CommandLine, Done
from tests.unit.tune.stories import DONE, sweep_folder

NAME = "tune-20260101-000000-aaaaaa"
ENDED = RunState(RunStatus.FAILED, outcome=Outcome(Cause.LOST, detail={"by": "supervisor"}))


@pytest.fixture
def call(slurmtf: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(tmp_path))
    return slurmtf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sweep_folder(tmp_path / "tune" / NAME, ended=ENDED)


def data(done: Done) -> Any:
    assert done.exit_code == 0, done.err
    return json.loads(done.out)["data"]


@pytest.mark.usefixtures("folder")
def test_status(call: CommandLine) -> None:
    done = call("sweep", "status", NAME)
    assert done.exit_code == 0
    assert "3 of 4 trials done, 1 failed, best 0.75 (trial 2)" in done.out
    assert f"slurmtf sweep resume {NAME}\n" in done.out
    rows = [line.split()[:3] for line in done.out.splitlines() if line[:1].isdigit()]
    assert rows == [["2", "Completed", "0.75"], ["0", "Completed", "0.5"], ["1", "Failed", "0"]]


@pytest.mark.usefixtures("folder")
def test_status_as_data(call: CommandLine) -> None:
    found = data(call("sweep", "status", NAME, "--json"))
    assert (found["done"], found["total"], found["status"]) == (3, 4, "Failed")
    assert found["best"]["parameters"] == {"lr": 0.05, "units": 16}
    assert found["elements"] == {"7_0": {"last": "started", "text": "7_0", "host": "node1"}}


@pytest.mark.usefixtures("folder")
def test_best(call: CommandLine) -> None:
    assert call("sweep", "best", NAME).out.splitlines()[:3] == ["trial 2: acc 0.75, Completed", "  lr = 0.05", "  units = 16"]


def test_without_results_there_is_no_best_trial(call: CommandLine, tmp_path: Path) -> None:
    sweep_folder(tmp_path / "tune" / NAME, (), ended=ENDED)
    done = call("sweep", "best", NAME)
    assert done.exit_code == 2
    assert "no trial has logged 'acc' yet" in done.err


@pytest.mark.usefixtures("folder")
def test_trials_are_printed_as_json_and_csv(call: CommandLine) -> None:
    listed = data(call("sweep", "trials", NAME, "--json"))
    assert [(one["trial"], one["status"], one["best"]) for one in listed] == [
        (0, "Completed", 0.5), (1, "Failed", None), (2, "Completed", 0.75), (3, "NotStarted", None),
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(call("sweep", "trials", NAME, "--csv").out)))
    assert [(row["trial"], row["lr"], row["units"], row["error"]) for row in rows] == [
        ("0", "0.01", "16", ""), ("1", "0.1", "wide", "ValueError: bad 3"), ("2", "0.05", "16", ""), ("3", "0.02", "16", ""),
    ]  # fmt: skip


@pytest.mark.usefixtures("folder")
def test_logs_of_a_trial_are_shown(call: CommandLine) -> None:
    assert "ValueError: bad 3" in call("sweep", "logs", "1", NAME).out
    done = call("sweep", "logs", "3", NAME, "--json")
    assert (done.exit_code, done.codes) == (2, ["unknown-trial"])


def test_plots_of_a_sweep_are_written(call: CommandLine, folder: Path, tmp_path: Path) -> None:
    assert "optimization history" in call("sweep", "plot", NAME).out
    page, image = tmp_path / "sweep.html", tmp_path / "sweep.svg"
    assert data(call("sweep", "plot", NAME, "-o", page, "--json"))["files"] == [str(page)]
    assert "slice of lr" in page.read_text()
    assert data(call("sweep", "plot", NAME, "-o", image, "--json"))["files"] == [str(image)]
    assert "history" in image.read_text()
    done = call("sweep", "plot", NAME, "-o", tmp_path / "sweep.gif")
    assert (done.exit_code, ".svg or .png or .html" in done.err) == (2, True)


def test_a_run_that_is_no_sweep_is_refused(call: CommandLine, folder: Path) -> None:
    (folder / "sweep" / "sweep.json").unlink()
    done = call("sweep", "best", NAME, "--json")
    assert (done.exit_code, done.codes) == (2, ["not-a-sweep"])


@pytest.mark.usefixtures("folder")
def test_metrics_shows_those_of_the_trials(call: CommandLine) -> None:
    rows = [line.split() for line in call("metrics", NAME).out.splitlines()[1:]]
    assert [(row[0], row[1], row[2]) for row in rows] == [(f"{NAME}_0", "acc", "0.5"), (f"{NAME}_2", "acc", "0.75")]


def test_recursive_metrics_include_the_trials(folder: Path) -> None:
    assert Run(folder).get_metrics(recursive=True) == {
        NAME: {}, f"{NAME}_0": {"acc": [0.25, 0.5]}, f"{NAME}_1": {}, f"{NAME}_2": {"acc": [0.375, 0.75]},
    }  # fmt: skip


def test_why_explains_each_failure_of_trials_once(call: CommandLine, tmp_path: Path) -> None:
    failed = [Result(n, FAILED, started=1.0, ended=2.0, why="script", error=f"MemoryError: {n}", exit_code=1, task="main-0")
              for n in (1, 3)]  # fmt: skip
    other = Result(0, FAILED, started=1.0, ended=2.0, why="script", error="KeyError: 'x'", exit_code=1, task="main-0")
    done = Result(2, COMPLETED, started=1.0, ended=2.0)
    sweep_folder(tmp_path / "tune" / NAME, [*failed, other, done], ended=RunState(RunStatus.COMPLETED))
    first, second = data(call("why", NAME, "--json"))["trials"]
    assert (first["trials"], first["class"], first["exit_code"]) == ([1, 3], "host-memory", 1)
    assert (second["trials"], second["error"]) == ([0], "KeyError: 'x'")
    assert "trials 1, 3" in call("why", NAME).out


CANCELED = RunState(RunStatus.CANCELED, outcome=Outcome(Cause.CANCELED))
BY_ERROR = RunState(RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT, exit_code=1))


@pytest.mark.parametrize(
    ("ended", "stopped", "advice"),
    [
        (CANCELED, "canceled", f"1 trial is not done: slurmtf sweep resume {NAME}"),
        (RunState(RunStatus.COMPLETED), "", f"1 trial is not done: slurmtf sweep resume {NAME}"),
        (BY_ERROR, "error", ""),  # its script must be fixed first
    ],
)
def test_status_and_why_show_how_to_continue(
    call: CommandLine, tmp_path: Path, ended: RunState, stopped: str, advice: str
) -> None:
    folder = sweep_folder(tmp_path / "tune" / NAME, ended=ended)
    if stopped:
        (folder / "sweep" / "stopped.json").write_text(json.dumps({"why": stopped}))
    for words in (("sweep", "status"), ("why",)):
        out = call(*words, NAME).out
        assert advice in out
        assert ("sweep resume" in out) is bool(advice)


def test_status_reports_points_drawn_at_random_instead(call: CommandLine, folder: Path) -> None:
    assert "sampling" not in call("sweep", "status", NAME).out
    asked = folder / "sweep" / "asked"
    asked.joinpath("2.json").write_text(
        json.dumps({"values": {"lr": 1.0, "units": 16}, "by": "random", "note": "drawn: no Optuna"})
    )
    assert "sampling   of 1 trial: drawn: no Optuna" in call("sweep", "status", NAME).out


def test_why_has_nothing_to_explain_without_failures(call: CommandLine, tmp_path: Path) -> None:
    sweep_folder(tmp_path / "tune" / NAME, DONE[:1], ended=RunState(RunStatus.COMPLETED))
    assert data(call("why", NAME, "--json"))["trials"] == []
