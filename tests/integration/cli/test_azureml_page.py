"""The page "From Azure ML": its commands, run one after the other on the example that it names."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slurmtf import Run
from tests.patience import HANG_S
from tests.unit.cli.documents import documented

ROOT = Path(__file__).parents[3]
SLURMTF = str(Path(sys.executable).with_name("slurmtf"))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder in which the commands were run, and the output of each."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / "examples/azureml", folder / "azureml")
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(folder / "runs"), "COLUMNS": "80"}
    printed: dict[str, str] = {}
    for _, words in [one for one in documented() if one[0] == "azureml.md"]:
        done = subprocess.run(
            [SLURMTF, *shlex.split(words)], cwd=folder / "azureml", env=environ, capture_output=True, text=True, timeout=HANG_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)
        printed[words] = done.stdout
    return folder, printed


def test_the_report_is_as_shown(shown: tuple[Path, dict[str, str]]) -> None:
    text = (ROOT / "docs/azureml.md").read_text(encoding="utf-8")
    report = text.split("slurmtf import-azureml submit.py\n\n```\n")[1].split("```")[0].splitlines()
    printed = shown[1]["import-azureml submit.py"].splitlines()
    assert printed[: len(report)] == report


def test_the_script_runs_unchanged(shown: tuple[Path, dict[str, str]]) -> None:
    folder, printed = shown
    assert printed["run job.yaml --site local --experiment parabola"] == "minimum at 0.0461\n"
    (run,) = (folder / "runs/parabola").iterdir()
    metrics = Run(run).get_metrics()
    assert metrics["learning rate"] == 0.1
    assert (metrics["loss"][0], len(metrics["loss"])) == (16.0, 20)


def test_the_metric_curve_is_shown(shown: tuple[Path, dict[str, str]]) -> None:
    _, printed = shown
    rows = printed["metrics last"].splitlines()[1:]
    assert [" ".join(row.split()[1:]) for row in rows] == ["learning rate 0.1 1 0.1 0.1", "loss 0.00332307 19 0.00332307 16"]
    plot = printed["metrics last --plot --name loss"].splitlines()
    assert plot[0] == "loss"
    assert plot[-1].endswith(": 0.00332307 at 19")
