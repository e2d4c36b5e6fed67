"""200 runs whose jobs end in the same second."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.runs import write_journal, write_runs
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.workspaces.listing import AGE_S
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import note
from tests.patience import until

from .support import Lab, call, prepend_to_path
from .test_watching import counted

pytestmark = pytest.mark.slurm

COUNT = 200
BUSY = 16
"""So many jobs run, and the others are held: 200 starts would take long on this machine, and all end the same way."""
SUBMIT = 'for folder; do sbatch --parsable {} --mem=10M --chdir="$folder" --output=/dev/null --wrap="exec sleep 3600"; done'


def submitted(folders: list[Path], *flags: str) -> list[str]:
    return call("sh", "-c", SUBMIT.format(" ".join(flags)), "sh", *folders).split()


def jobs_of(folders: list[Path]) -> list[str]:
    """Give each run a job that never ends, and remove its journal."""
    ids = submitted(folders[:BUSY]) + submitted(folders[BUSY:], "--hold")
    for folder, job in zip(folders, ids, strict=True):
        layout = RunLayout(str(folder))
        next(Path(layout.journals).iterdir()).unlink()
        Path(layout.jobs).unlink()
        note(layout, SubmittedJob(JobRef(None, job), "slurm", layout.folder, time.time(), "submitted"))
    return ids


def test_each_is_known_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tenth run has recorded its outcome. Slurm does not know that, and calls all jobs canceled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(lab.folder / "cache"))
    folders = write_runs(lab.workspace, COUNT)
    ids = jobs_of(folders)
    until(lambda: call("squeue", "--noheader", "--states=R", f"--jobs={','.join(ids)}"), "a job that runs")
    asked = counted(lab.folder)
    monkeypatch.setenv("PATH", prepend_to_path(lab.folder / "bin"))

    def statuses() -> dict[str, str]:
        return {data["id"]: data["status"] for data in lab.data("ls", "-n", "0")}

    before = statuses()
    assert len(before) == COUNT
    assert not set(before.values()) & {"Completed", "Failed", "Canceled"}
    assert asked.read_text().split() == ["squeue"]
    for number in range(0, COUNT, 10):
        write_journal(RunLayout(str(folders[number])), ids[number], number % 20 // 10, time.time())
    began = time.monotonic()
    call("scancel", *ids)
    expected = {
        folder.name: "Canceled" if number % 10 else "Failed" if number % 20 else "Completed"
        for number, folder in enumerate(folders)
    }
    until(lambda: statuses() == expected, "the ends of all")
    assert len(asked.read_text().split()) <= 3 + 2 * (time.monotonic() - began) // AGE_S
    assert [lab.slurmtf("wait", folders[number].name).returncode for number in (0, 10, 11, COUNT - 1)] == [0, 1, 130, 130]
    assert lab.data("status", folders[11].name)["outcome"]["cause"] == "canceled"
