"""Copying to a node's own disk and back: what is used if there is no room, and what fails the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import DataInput, Distribution, JobPlan, Run, Size
from slurmtf.job.staging import staging, transfer, workdir
from slurmtf.job.staging.staging import Stager, send_back

PLAN = JobPlan(Run("x-1", "x"), "slurm", Distribution(()), Size(), "srun")


@pytest.mark.parametrize("has_room", [True, False])
def test_a_source_without_room_is_unpacked_into_the_shared_folder(
    has_room: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = RunLayout(str(tmp_path / "run"))
    Path(layout.folder).mkdir()
    Path(layout.source).write_bytes(b"tar")
    prepared: list[RunLayout] = []
    monkeypatch.setattr(Stager, "_unpack", lambda *_: None)
    monkeypatch.setattr(Stager, "_has_room", lambda *_: has_room)
    monkeypatch.setattr(workdir, "prepare", lambda shared, _: prepared.append(shared))
    assert Stager(PLAN, layout, str(tmp_path))._stage_source() == (str(tmp_path / "work") if has_room else layout.work)
    assert prepared == ([] if has_room else [layout])


@pytest.mark.parametrize("failed", [[], ["a.txt: Disk quota exceeded"]])
def test_results_not_copied_back_fail_the_run(failed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inputs" / "results").mkdir(parents=True)
    plan = PLAN._replace(inputs=(DataInput("results", str(tmp_path / "shared"), "upload"),))
    copied = transfer.CopiedBack()
    copied.failed.extend(failed)
    monkeypatch.setattr(transfer, "copy_back", lambda *_: copied)
    monkeypatch.setattr(staging, "_ignore_stop_signals", lambda: None)
    assert send_back(plan, RunLayout(str(tmp_path)), str(tmp_path)) == (1 if failed else 0)
    assert json.loads((tmp_path / "returned.json").read_text())["failed"] == failed
