"""``slurmtf import-azureml``: what it writes, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.support import CommandLine

SUBMIT = """from azureml.core import Experiment, Workspace
from azureml.train.dnn import TensorFlow
e = TensorFlow('.', entry_script='train.py', node_count=nodes)
Experiment(Workspace.from_config(), 'mnist').submit(e)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "train.py").touch()
    path = tmp_path / "submit.py"
    path.write_text(SUBMIT, encoding="utf-8")
    return path


@pytest.fixture
def call(slurmtf: CommandLine) -> CommandLine:
    return slurmtf


def test_the_report_is_printed(file: Path, call: CommandLine) -> None:
    done = call("import-azureml", file)
    assert done.exit_code == 0
    lines = done.out.splitlines()
    assert [line.split(": ")[:2] for line in lines if line.startswith("decide")] == [
        ["decide   submit.py:3", "node_count is nodes"]
    ]
    assert lines[-4:-1] == [
        "4 mapped, 1 dropped, 1 to decide",
        "",
        f"wrote {file.parent / 'job.yaml'}",
    ]
    assert lines[-1].endswith(f": slurmtf plan {file.parent / 'job.yaml'} --experiment mnist")
    assert "entry_script: train.py" in (file.parent / "job.yaml").read_text(encoding="utf-8")


def test_an_existing_file_is_kept(file: Path, call: CommandLine) -> None:
    job = file.parent / "job.yaml"
    job.write_text("mine", encoding="utf-8")
    done = call("import-azureml", file, "--json")
    assert (done.exit_code, done.codes) == (2, ["exists"])
    done = call("import-azureml", file, "--dry-run")
    assert done.exit_code == 0
    assert job.read_text(encoding="utf-8") == "mine"
    done = call("import-azureml", file, "--force")
    assert done.exit_code == 0
    assert job.read_text(encoding="utf-8") != "mine"


def test_another_folder_and_json_are_supported(file: Path, call: CommandLine) -> None:
    done = call("import-azureml", file, "--output", file.parent / "jobs", "--json")
    assert done.exit_code == 0
    data = json.loads(done.out)["data"]
    assert data["experiment"] == "mnist"
    assert [(Path(one["path"]).name, one["kind"]) for one in data["files"]] == [("job.yaml", "job")]
    assert {note["kind"] for note in data["notes"]} == {"mapped", "dropped", "decide"}
    assert "source_directory: .." in (file.parent / "jobs/job.yaml").read_text(encoding="utf-8")
