"""Garbage collection during submissions: no run loses its source, and no submission fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurmtf import Estimator, Experiment, Run
from slurmtf.snapshot import SnapshotStore, collect
from slurmtf.submit.folder import Intent, build
from tests.patience import HANG_S, until

TEXTS = ["one", "two"]
TURNS = 60
COLLECT = """
import sys
from pathlib import Path
from slurmtf.runs.workspaces import garbage

garbage.YOUNG_S = 0  # nothing is spared for its youth
workspace, stop = map(Path, sys.argv[1:])
removed = 0
print("collects", flush=True)
while not stop.exists():
    for one in garbage.find_garbage(workspace):
        assert one.kind == "snapshot", one
        assert garbage.discard(one) is None
        removed += 1
print(removed)
"""


@contextmanager
def collecting(workspace: Path, stop: Path) -> Iterator[list[int]]:
    """Collect in another process, without a pause; at the end yield how many snapshots it removed."""
    removed: list[int] = []
    argv = [sys.executable, "-c", COLLECT, str(workspace), str(stop)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "collects\n"
            yield removed
        finally:
            stop.touch()
            out, err = process.communicate(timeout=HANG_S)
        assert process.returncode == 0, err
        removed.append(int(out))


def stored_text(source: Path) -> str:
    with tarfile.open(source) as archive:
        member = archive.extractfile("train.py")
        assert member is not None
        return member.read().decode()


def late(link: Callable[[Path, str], None], doomed: list[Path]) -> Callable[[Path, str], None]:
    """Just before a stored file is linked, remove the run that used it, and give the collector time."""

    def remove_and_link(source: Path, target: str) -> None:
        while doomed:
            shutil.rmtree(doomed.pop())
        time.sleep(0.02)
        link(source, target)

    return remove_and_link


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_runs_are_built_while_garbage_is_collected(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contents alternate. When one is used again, no run has it any more, and it is about to be removed."""
    doomed: list[Path] = []
    monkeypatch.setattr("os.link", late(os.link if links else refuse, doomed))
    source, workspace = tmp_path / "source", tmp_path / "workspace"
    source.mkdir()
    store = SnapshotStore(workspace)
    last: dict[str, Path] = {}
    with collecting(workspace, tmp_path / "stop") as removed:
        for turn in range(TURNS):
            text = f"print({TEXTS[turn % 2]!r})"
            (source / "train.py").write_text(text)
            plan, script = Experiment("lab", workspace).plan(Estimator(str(source), compute_target="local"))
            intent = Intent.from_plan(plan)
            doomed += [last.pop(text)] if text in last else []
            layout = build(plan, script, store.read(collect(source)), intent, {"source": {"git": None}})
            intent.forget()
            last[text] = Path(layout.folder)
            assert stored_text(Path(layout.source)) == text
            assert json.loads(Path(layout.plan).read_text())["provenance"]["snapshot"]["id"] == plan.provenance.snapshot.id
    assert removed[0] > TURNS / 10


def test_submitted_runs_end_well_while_garbage_is_collected(tmp_path: Path) -> None:
    source, workspace = tmp_path / "source", tmp_path / "workspace"
    source.mkdir()
    runs: dict[str, Run] = {}
    with collecting(workspace, tmp_path / "stop"):
        for number in range(6):
            (source / "train.py").write_text(f"print({number % 3})")
            runs[f"{number}"] = Experiment("lab", workspace).submit(Estimator(str(source), compute_target="local"))
        until(lambda: all(run.state.status.final for run in runs.values()), "the end of the runs")
    assert {run.get_status() for run in runs.values()} == {"Completed"}
    outputs = [Path(run.layout.task_log("main-0", "out")).read_text() for run in runs.values()]
    assert outputs == [f"{number % 3}\n" for number in range(6)]
