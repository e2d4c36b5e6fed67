"""``slurmtf import-azureml``: what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from slurmtf.cli import app
from slurmtf.cli.output import _Mode

SUBMIT = """from azureml.core import Experiment, Workspace
from azureml.train.dnn import TensorFlow
e = TensorFlow('.', entry_script='train.py', node_count=nodes)
Experiment(Workspace.from_config(), 'mnist').submit(e)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_Mode, "json", False)
    (tmp_path / "train.py").touch()
    path = tmp_path / "submit.py"
    path.write_text(SUBMIT, encoding="utf-8")
    return path


def called(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["slurmtf", "import-azureml", *map(str, words)])
    try:
        app.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_report(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(monkeypatch, file) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        "decide   submit.py:3: node_count is nodes: only running the file would tell. Set node_count in the job file" in lines
    )
    assert lines[-4:] == [
        "4 mapped, 1 dropped, 1 to decide",
        "",
        f"wrote {file.parent / 'job.yaml'}",
        f"look at it: slurmtf plan {file.parent / 'job.yaml'} --experiment mnist",
    ]
    assert "entry_script: train.py" in (file.parent / "job.yaml").read_text(encoding="utf-8")


def test_a_file_that_is_there_stays(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    job = file.parent / "job.yaml"
    job.write_text("mine", encoding="utf-8")
    assert called(monkeypatch, file) == 2
    assert "is there already" in capsys.readouterr().err
    assert called(monkeypatch, file, "--dry-run") == 0
    assert job.read_text(encoding="utf-8") == "mine"
    assert called(monkeypatch, file, "--force") == 0
    assert job.read_text(encoding="utf-8") != "mine"


def test_another_folder_and_json(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(monkeypatch, file, "--output", file.parent / "jobs", "--json") == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["experiment"] == "mnist"
    assert [(Path(one["path"]).name, one["kind"]) for one in data["files"]] == [("job.yaml", "job")]
    assert {note["kind"] for note in data["notes"]} == {"mapped", "dropped", "decide"}
    assert "source_directory: .." in (file.parent / "jobs/job.yaml").read_text(encoding="utf-8")
