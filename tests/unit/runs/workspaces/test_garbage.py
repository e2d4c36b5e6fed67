"""Garbage is found and removed, and nothing else: runs, the files they need, and work in progress are kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Estimator, Experiment
from slurmtf.environments.store import FOLDER, EnvironmentStore
from slurmtf.errors import WorkspaceError
from slurmtf.files import write_json
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.environments.claim import Claim
from slurmtf.job.contract.layout import RunLayout
from slurmtf.processes import ProcessId, identify
from slurmtf.runs.states.records import note_end
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.runs.workspaces.garbage import discard, find_garbage
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.snapshot import SnapshotStore, collect
from slurmtf.submit.folder import Intent, build
from slurmtf.submit.record import note
from slurmtf.trusted import OWN
from tests.patience import HANG_S
from tests.unit.snapshot.trees import fill, settled
from tests.unit.support import refusing

LONG_AGO = time.time() - 7200
DEAD = replace(identify(os.getpid()), started=1)


def run_of(root: Path, workspace: Path, text: str) -> tuple[Path, Path]:
    """Create a run of this source; return its folder and the stored snapshot."""
    fill(root, "train.py", text=text)
    plan, script = Experiment("lab", workspace).plan(Estimator(str(root), compute_target="local"))
    store = SnapshotStore(workspace)
    snapshot = store.read(settled(collect(root)))
    intent = Intent.from_plan(plan)
    layout = build(plan, script, snapshot, intent, {"source": {"git": None}})
    intent.forget()
    return Path(layout.folder), store.path(snapshot.ref)


def grow_old(*paths: Path) -> None:
    for path in paths:
        for one in [path, *path.rglob("*")]:
            os.utime(one, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def found(workspace: Path) -> list[tuple[str, Path]]:
    return [(one.kind, one.path) for one in find_garbage(workspace)]


def test_a_missing_workspace_has_no_garbage(workspace: Path) -> None:
    assert find_garbage(workspace) == []


def test_a_snapshot_is_removed_after_the_last_run_that_has_it(root: Path, workspace: Path) -> None:
    first, stored = run_of(root, workspace, "one")
    second, same = run_of(root, workspace, "one")
    other, others = run_of(root, workspace, "other")
    assert stored == same != others
    grow_old(workspace)
    assert found(workspace) == []
    shutil.rmtree(first)
    assert found(workspace) == []
    shutil.rmtree(second)
    [one] = find_garbage(workspace)
    assert (one.kind, one.path, one.bytes) == ("snapshot", stored, stored.stat().st_size)
    assert discard(one) is None
    assert not stored.exists()
    assert others.exists()
    assert (other / "source.tar").exists()


def test_a_young_snapshot_is_kept(root: Path, workspace: Path) -> None:
    folder, stored = run_of(root, workspace, "one")
    shutil.rmtree(folder)
    assert found(workspace) == []
    grow_old(stored)
    assert found(workspace) == [("snapshot", stored)]


def test_a_snapshot_that_runs_have_as_copies_is_kept(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If runs have copies, its number of links is one, as if no run had it."""
    monkeypatch.setattr(os, "link", refuse)
    folder, stored = run_of(root, workspace, "one")
    assert stored.stat().st_nlink == 1
    grow_old(workspace)
    assert found(workspace) == []
    shutil.rmtree(folder)
    assert found(workspace) == [("snapshot", stored)]


def test_a_snapshot_of_a_run_being_submitted_is_kept(root: Path, workspace: Path) -> None:
    folder, stored = run_of(root, workspace, "one")
    staging = workspace / ".slurmtf/staging" / folder.name
    folder.rename(staging)
    write_json(
        workspace / f".slurmtf/intents/{folder.name}.json", {"folder": str(folder), "owner": asdict(identify(os.getpid()))}
    )
    grow_old(stored, staging)
    assert found(workspace) == []


def test_an_unreadable_plan_stops_garbage_collection(root: Path, workspace: Path) -> None:
    folder, stored = run_of(root, workspace, "one")
    run_of(root, workspace, "two")
    shutil.rmtree(folder)
    (workspace / "lab/broken").mkdir()
    (workspace / "lab/broken/plan.json").write_text("{")
    grow_old(stored)
    with refusing(WorkspaceError, "bad-record"):
        find_garbage(workspace)


def test_the_index_of_a_deleted_source_is_removed(root: Path, tmp_path: Path, workspace: Path) -> None:
    run_of(root, workspace, "one")
    run_of(tmp_path / "other", workspace, "one")
    assert found(workspace) == []
    shutil.rmtree(tmp_path / "other")
    [(kind, path)] = found(workspace)
    assert (kind, path.suffix) == ("index", ".index")
    path.write_text("no index")
    (tmp_path / "other").mkdir()
    assert found(workspace) == [("index", path)]


def pack_of(workspace: Path, prefix: Path, name: str, age: int) -> Path:
    """Create the pack of an environment, as a submission does."""
    layout = EnvironmentStore(workspace / OWN / FOLDER).layout
    layout.prepare()
    pack = Path(layout.pack(name))
    pack.write_bytes(b"pack")
    os.utime(pack, (time.time() - age,) * 2)
    write_json(layout.spec(f"{name}.pack"), {"prefix": str(prefix), "pack": str(pack)})
    return pack


def test_a_pack_is_removed_if_it_is_outdated_or_its_environment_is_gone(tmp_path: Path, workspace: Path) -> None:
    venv, other = tmp_path / "venv", tmp_path / "other"
    fill(venv, "bin/python")
    fill(other, "bin/python")
    old, new, others = (pack_of(workspace, *args) for args in ((venv, "a", 9), (venv, "b", 5), (other, "c", 9)))
    assert found(workspace) == [("pack", old)]
    old.unlink()
    assert found(workspace) == []
    shutil.rmtree(venv)
    assert found(workspace) == [("pack", new)]
    assert others.exists()


def test_a_pack_of_an_unfinished_run_is_kept(root: Path, tmp_path: Path, workspace: Path) -> None:
    """Also that of a run being submitted."""
    pack = pack_of(workspace, tmp_path / "gone", "a", 9)
    folder, _ = run_of(root, workspace, "one")
    assert found(workspace) == [("pack", pack)]
    plan = json.loads((folder / "plan.json").read_bytes())
    write_json(folder / "plan.json", {**plan, "job": {**plan["job"], "stage": {**plan["job"]["stage"], "pack": str(pack)}}})
    assert found(workspace) == []
    staging = workspace / ".slurmtf/staging" / folder.name
    folder.rename(staging)
    assert found(workspace) == []
    staging.rename(folder)
    layout = RunLayout(str(folder))
    note(layout, SubmittedJob(JobRef(None, "12"), "slurm", str(folder), 1000.0))
    note_end(layout, RunState(RunStatus.FAILED, JobRef(None, "12"), outcome=Outcome(Cause.LOST)))
    assert found(workspace) == [("pack", pack)]


def test_files_of_a_killed_packer_are_removed(workspace: Path) -> None:
    layout = EnvironmentStore(workspace / OWN / FOLDER).layout
    layout.prepare()
    partial = Path(layout.pack("a") + ".partial-0123")
    partial.touch()
    claim = Claim(layout.claim("a.pack"))
    assert claim.take()
    assert found(workspace) == []
    claim.release()
    assert found(workspace) == [("pack", partial)]


def test_downloads_of_a_failed_build_are_removed(workspace: Path) -> None:
    layout = EnvironmentStore(workspace / OWN / FOLDER).layout
    layout.prepare()
    fill(Path(layout.download("pip-1")), "speck.whl")
    grow_old(Path(layout.download("pip-1")))
    assert found(workspace) == [], "a job may be waiting that makes it"
    write_json(layout.failure("pip-1"), {"what": "no compiler", "remedy": "", "log": ""})
    assert found(workspace) == [("fetched packages", Path(layout.download("pip-1")))]
    os.utime(layout.download("pip-1"))
    assert found(workspace) == [], "it may be tried again just now"


@pytest.mark.parametrize(
    ("owner", "old", "gone"),
    [
        (identify(os.getpid()), True, False),
        (DEAD, False, True),
        (ProcessId("elsewhere", 1, 1), False, False),
        (ProcessId("elsewhere", 1, 1), True, True),
    ],
)
def test_a_submission_killed_before_its_run_existed_is_removed(
    workspace: Path, owner: ProcessId, old: bool, gone: bool
) -> None:
    note, staging = workspace / ".slurmtf/intents/lab-1.json", workspace / ".slurmtf/staging/lab-1"
    fill(staging, "plan.json", text='{"provenance": {"snapshot": {"id": "x"}}}')
    note.parent.mkdir()
    write_json(note, {"folder": str(workspace / "lab/lab-1"), "owner": asdict(owner)})
    if old:
        grow_old(workspace)
    expected = [("unfinished submission", staging), ("unfinished submission", note)]
    assert found(workspace) == (expected if gone else [])
    (workspace / "lab/lab-1").mkdir(parents=True)  # a run that may have a job is handled by the next submission
    assert found(workspace) == []


def test_leftover_files_and_folders_are_removed(workspace: Path) -> None:
    left = {
        "partial file": [".slurmtf/intents/.lab-1.json.0123", ".slurmtf/snapshots/.partial-0123"],
        "unfinished submission": [".slurmtf/staging/lab-1/plan.json"],
        "removed run": [".slurmtf/.removed-lab-1/source.tar"],
    }
    for names in left.values():
        fill(workspace, *names)
    assert [kind for kind, _ in found(workspace)] == ["removed run"]
    grow_old(workspace)
    assert sorted(kind for kind, _ in found(workspace)) == sorted([*left, "partial file"])
    assert [discard(one) for one in find_garbage(workspace)] == [None] * 4
    assert find_garbage(workspace) == []
    assert [path for path in workspace.rglob("*") if path.is_file()] == []


def test_garbage_removed_by_another_process_is_no_error(workspace: Path) -> None:
    fill(workspace, ".slurmtf/.removed-1/a", ".slurmtf/.removed-2/a")
    one, two = find_garbage(workspace)
    shutil.rmtree(one.path)
    assert [discard(one), discard(two)] == [None, None]


def command(*argv: str | Path) -> Any:
    """Return the data of 'slurmtf gc --json'."""
    done = call(*argv, "--json")
    return json.loads(done.stdout)["data"]


def call(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    whole: Sequence[str | Path] = [Path(sys.executable).parent / "slurmtf", "gc", *argv]
    return subprocess.run(whole, capture_output=True, text=True, timeout=HANG_S, check=True)


def test_the_command(root: Path, workspace: Path) -> None:
    folder, stored = run_of(root, workspace, "x" * 5000)
    assert call("-w", workspace).stdout.endswith(f" in {workspace}\n")
    shutil.rmtree(folder)
    grow_old(workspace)
    item = {"kind": "snapshot", "path": str(stored), "bytes": stored.stat().st_size}
    assert command("-w", workspace, "--dry-run") == {"dry_run": True, "bytes": item["bytes"], "items": [item]}
    assert stored.exists()
    text = call("-w", workspace).stdout
    assert text.splitlines() == [
        "WHAT      SIZE    PATH", f"snapshot  7.2 kB  {stored}", "7.2 kB were freed"
    ]  # fmt: skip
    assert command("-w", workspace) == {"dry_run": False, "bytes": 0, "items": []}


def test_failed_removals_are_reported(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(workspace, ".slurmtf/.removed-1/a")
    [one] = find_garbage(workspace)

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", denied)
    assert re.fullmatch(rf"{re.escape(str(one.path))} .*: Permission denied", discard(one) or "")
