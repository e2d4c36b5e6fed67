"""The commands of docs/sweeps.md, run one after the other on its sweep file, with trials on this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus
from slurmtf.tune.run import SweepRun
from tests.patience import HANG_S, until
from tests.unit.cli.documents import ROOT, documented

TRAIN = """
import argparse
from slurmtf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, required=True)
parser.add_argument("--batch-size", type=int, required=True)
arguments = parser.parse_args()
for epoch in range(4):
    Run.get_context().log("val_accuracy", 1 - arguments.learning_rate / (epoch + 1))
print("trained")
"""
FEWER = {"compute_target: slurm": "compute_target: local", "max_total_runs: 40": "max_total_runs: 5",
         "max_concurrent_runs: 8": "max_concurrent_runs: 2"}  # fmt: skip
SLURMTF = Path(sys.executable).with_name("slurmtf")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A folder with the page's sweep file and a script for it."""
    shown = re.search(r"^    # sweep.yaml\n(?:    .*\n)+", (ROOT / "docs/sweeps.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert shown
    text = shown[0]
    for word, instead in FEWER.items():
        assert word in text
        text = text.replace(word, instead)
    (tmp_path / "sweep.yaml").write_text(re.sub("^    ", "", text, flags=re.MULTILINE), encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    return tmp_path


def test_the_commands_of_the_page_work_as_shown(page: Path) -> None:
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(page / "runs")}

    def call(words: str) -> str:
        done = subprocess.run(
            [SLURMTF, *shlex.split(words)], cwd=page, env=environ, capture_output=True, text=True, check=False, timeout=HANG_S
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def last() -> SweepRun:
        run = SweepRun(Run.find("last", page / "runs").folder)
        until(lambda: run.state.status.final, f"the end of {run.id}")
        return run

    outputs = {}
    for words in [words for document, words in documented() if document == "sweeps.md" and words.startswith("sweep ")]:
        outputs[words] = call(words.replace("60", "6"))
        run = last()
    assert "5 of 5 trials done" in outputs["sweep run sweep.yaml"]
    assert outputs["sweep best"].startswith("trial ")
    assert "trained" in outputs["sweep logs 3"]
    assert (page / "sweep.html").stat().st_size > 1000
    assert (run.state.status, run.facts.done) == (RunStatus.COMPLETED, 6)
    best = run.facts.best
    assert best is not None
    listed = {one["id"]: one["metric"]["last"] for one in json.loads(call("ls --metric val_accuracy --json"))["data"]}
    assert listed[run.id] == best.best(1)
