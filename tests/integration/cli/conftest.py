"""Runs on this machine that log metrics, for the tests of the commands that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurmtf import Estimator, Experiment, Run
from tests.integration.job.jobs import Job

Submit = Callable[..., Run]
LOGS = """\
import json, os, sys, time
path = os.path.join(os.environ["SLURMTF_RUN_FOLDER"], "metrics", "main-0.jsonl")
def log(name, value, step):
    with open(path, "a") as file:
        file.write(json.dumps({"name": name, "value": value, "step": step, "time": time.time()}) + "\\n")
"""
"""What slurmtf's Run does when a script logs (see contract/metrics/entries.py)."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture
def submit(tmp_path: Path, workspace: Path) -> Iterator[Submit]:
    """Submits a script to this machine; what is still running after the test is ended."""
    runs: list[Run] = []

    def submit_script(text: str, **settings: object) -> Run:
        source = tmp_path / f"source-{len(runs)}"
        source.mkdir()
        (source / "train.py").write_text(LOGS + text, encoding="utf-8")
        estimator = Estimator(str(source), compute_target="local", **settings)  # type: ignore[arg-type]
        runs.append(Experiment("views", workspace).submit(estimator))
        return runs[-1]

    yield submit_script
    for run in runs:
        Job(run.layout).clean_up()
