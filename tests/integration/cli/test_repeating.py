"""A run's receipt, a repeat without its source, their differences, and the citation; on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from slurmtf.files import read_json
from tests.patience import HANG_S, until

from .conftest import Submit

SLURMTF = str(Path(sys.executable).with_name("slurmtf"))
SCRIPT = """
import argparse
import numpy
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
print("lr", parser.parse_args().lr, flush=True)
log("loss", parser.parse_args().lr / 2, 1)
"""


@pytest.fixture
def environ(workspace: Path, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "temporary").mkdir()
    return {**os.environ, "SLURMTF_WORKSPACE": str(workspace), "TMPDIR": str(tmp_path / "temporary")}


def data(environ: dict[str, str], *words: str) -> Any:
    done = subprocess.run([SLURMTF, *words, "--json"], env=environ, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return json.loads(done.stdout)["data"]


def complete(run: Run) -> dict[str, Any]:
    """Return the receipt of an ended run, once the job has written its part."""
    run.wait_for_completion()
    until(lambda: read_json(run.layout.receipt).get("attempts"), "the job's last say in the receipt")
    return run.receipt


def test_a_run_is_repeated_without_its_source(submit: Submit, environ: dict[str, str], tmp_path: Path, workspace: Path) -> None:
    first = submit(SCRIPT, script_params={"--lr": 0.5})
    receipt = complete(first)
    (attempt,) = receipt["attempts"]
    assert (attempt["job"], attempt["outcome"]["exit_code"], attempt["gpus"]) == (first.state.job_id, 0, [])
    assert receipt["source"]["snapshot"] == first.plan["provenance"]["snapshot"]["id"]
    assert receipt["loaded"]["packages"]["numpy"] == receipt["software"]["packages"]["numpy"]
    assert {"slurmtf", "python", "site", "tags", "lock"} <= receipt.keys()

    shutil.rmtree(tmp_path / "source-0")
    same = Run(data(environ, "rerun", first.id)["folder"])
    assert complete(same)["source"]["snapshot"] == receipt["source"]["snapshot"]
    assert same.receipt["rerun_of"] == first.id
    assert (same.folder / "logs" / "main-0.out").read_text() == "lr 0.5\n"
    other = Run(data(environ, "rerun", first.id, "--with=--lr=0.25", "--with", "primary_metric=loss")["folder"])
    complete(other)
    assert (other.folder / "logs" / "main-0.out").read_text() == "lr 0.25\n"
    assert (other.primary_metric, other.get_metrics()["loss"]) == ("loss", 0.125)
    assert not list((tmp_path / "temporary").iterdir())

    found = {(one["section"], one["name"]): (one["first"], one["second"]) for one in differences(environ, first, other)}
    assert found.pop(("settings", "primary_metric")) == (None, "loss")
    assert found.pop(("settings", "script_params.--lr"))[0] == 0.5
    assert found.pop(("metrics", "loss")) == (0.25, 0.125)
    named = {("settings", "environment_definition.python"), ("software", "environment")}  # what was the default before
    assert found.keys() <= {("outcome", "seconds"), *named}
    again = {(one["section"], one["name"]) for one in differences(environ, same, first)}
    assert again <= {("outcome", "seconds"), ("settings", "script_params.--lr"), *named}
    cited = data(environ, "cite", first.id)
    assert "NumPy" in cited["methods"]
    assert any(entry.startswith("@article{numpy,") for entry in cited["bibtex"])


def differences(environ: dict[str, str], first: Run, second: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data(environ, "diff", first.id, second.id)["differences"]
    return found
