"""The benchmarks on Slurm still run: each in a size that takes a moment. What they measure is of no interest here."""

from __future__ import annotations

import venv

import pytest

from benchmarks import slurm, staging

from .support import Lab

pytestmark = pytest.mark.slurm
WITHOUT_TENSORFLOW = """
import os, time
with open("outputs/imported-" + os.environ["SLURMTF_RANK"], "w") as file:
    file.write(repr(time.time()))
"""


@pytest.mark.usefixtures("lab")
def test_submissions_starts_and_sweeps_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slurm, "TURNS", 1)
    monkeypatch.setattr(slurm, "RUNS", 1)
    slurm.main()
    titles = [line.partition("(")[0].strip() for line in capsys.readouterr().out.splitlines() if line[:1] not in ("", " ")]
    assert titles == ["Submission of one job", "Status", "Start of a task", "Submission of a sweep"]


def test_the_start_from_a_nodes_disk_is_measured(lab: Lab) -> None:
    source = lab.folder / "source"
    source.mkdir()
    (source / "train.py").write_text(WITHOUT_TENSORFLOW)
    venv.create(lab.folder / "venv", symlinks=True)
    run = staging.run_imports(lab.folder, str(lab.folder / "venv/bin/python"), 2, "unpacked", ())
    assert staging.compute_start_time(run, 2) > 0
