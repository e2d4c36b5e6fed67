"""The index of a source: unchanged files are not read again, and no change is missed."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from pathlib import Path

import pytest

from slurmtf import Estimator, Experiment
from slurmtf.snapshot import Contents, SnapshotRef, SnapshotStore, collect, store
from slurmtf.snapshot.entries import Entry
from slurmtf.snapshot.index import Index
from slurmtf.snapshot.reading import Blob, read
from tests.unit.snapshot.trees import fill, keep, reference, settled, snapshot_of, states


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the names of the files that are read."""
    names: list[str] = []

    def noted(entry: Entry, *more: object) -> Blob:
        names.append(entry.name)
        return read(entry, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "read", noted)
    return names


def index(workspace: Path) -> Path:
    (found,) = SnapshotStore(workspace).list_indexes()
    return found.path


def test_unchanged_files_are_not_read_again(root: Path, workspace: Path, seen: list[str]) -> None:
    fill(root, "train.py", "sub/a.py", "sub/b.py")
    first = keep(settled(collect(root)), workspace)
    facts = index(workspace).stat()
    seen.clear()
    assert keep(settled(collect(root)), workspace) == first == snapshot_of(collect(root), workspace).ref
    assert seen == []
    assert (index(workspace).stat().st_ino, index(workspace).stat().st_mtime_ns) == (facts.st_ino, facts.st_mtime_ns)


def test_only_a_changed_file_is_read_again(root: Path, workspace: Path, seen: list[str]) -> None:
    fill(root, "train.py", "sub/a.py", "sub/b.py")
    keep(settled(collect(root)), workspace)
    seen.clear()
    fill(root, "sub/a.py", text="changed")
    (root / "sub/b.py").unlink()
    now = snapshot_of(collect(root), workspace).ref
    assert seen == ["sub/a.py"]
    assert now == reference(collect(root))
    keep(settled(collect(root)), workspace)
    assert set(Index(index(workspace)).load()) == {"train.py", "sub/a.py"}


@pytest.mark.parametrize("change", ["same size", "same times", "replaced", "mode"])
def test_no_change_is_missed(root: Path, workspace: Path, change: str) -> None:
    fill(root, "train.py", text="old")
    path = root / "train.py"
    keep(settled(collect(root)), workspace)
    before = path.stat()
    if change == "replaced":
        fill(root, "other", text="new")
        (root / "other").rename(path)
    elif change == "mode":
        path.chmod(0o755)
    else:
        fill(root, "train.py", text="new")
    if change != "same size":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert snapshot_of(collect(root), workspace).ref == reference(collect(root))


def test_a_file_that_changed_just_before_is_not_trusted(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time stamp may be too coarse to show a later change: both states look the same."""
    fill(root, "train.py", text="old")
    contents = collect(root)
    keep(contents, workspace)
    fill(root, "train.py", text="new")
    same = Contents(root, contents.entries, began=contents.began)  # as a coarse file system would show it
    assert snapshot_of(same, workspace).ref == reference(collect(root))


def test_a_file_from_the_future_is_read_each_time(root: Path, workspace: Path, seen: list[str]) -> None:
    fill(root, "train.py")
    os.utime(root / "train.py", (2**32, 2**32))
    keep(settled(collect(root)), workspace)
    seen.clear()
    snapshot_of(collect(root), workspace)
    assert seen == ["train.py"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"form": 0}', '{"form": 1, "files": []}', '{"form": 1, "files": {"train.py": [1]}}', "\0" * 99],
)
def test_an_unreadable_index_is_ignored(root: Path, workspace: Path, text: str) -> None:
    fill(root, "train.py")
    first = keep(settled(collect(root)), workspace)
    index(workspace).write_text(text)
    assert keep(settled(collect(root)), workspace) == first
    assert set(Index(index(workspace)).load()) == {"train.py"}


def test_an_unwritable_index_is_no_error(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("slurmtf.snapshot.index.write_private", full)
    assert keep(settled(collect(root)), workspace) == reference(collect(root))
    assert SnapshotStore(workspace).list_indexes() == []


def test_each_source_has_its_own_index(root: Path, tmp_path: Path, workspace: Path) -> None:
    other = tmp_path / "other"
    (tmp_path / "link").symlink_to(root)
    for folder in (root, other):
        fill(folder, "train.py", text=folder.name)
    for folder in (root, other, tmp_path / "link"):
        assert keep(settled(collect(folder)), workspace) == reference(collect(folder))
    assert {one.source for one in SnapshotStore(workspace).list_indexes()} == {root, other}


def test_names_may_be_undecodable(root: Path, workspace: Path, seen: list[str]) -> None:
    fill(root, "a\udcff\n", "é")
    first = keep(settled(collect(root)), workspace)
    seen.clear()
    assert snapshot_of(collect(root), workspace).ref == first
    assert seen == []


def test_a_plan_writes_nothing_and_reads_the_index(root: Path, workspace: Path, seen: list[str]) -> None:
    fill(root, "train.py")
    estimator = Estimator(str(root), compute_target="local")
    plan, _ = Experiment("lab", workspace).plan(estimator)
    assert not workspace.exists()
    assert keep(settled(collect(root)), workspace) == plan.provenance.snapshot
    before = states(workspace)
    seen.clear()
    assert Experiment("lab", workspace).plan(estimator)[0].provenance.snapshot == plan.provenance.snapshot
    assert seen == []
    assert states(workspace) == before


def test_concurrent_submissions_share_the_index(root: Path, workspace: Path) -> None:
    fill(root, *(f"{number}.py" for number in range(50)))
    expected = reference(collect(root))
    found: list[SnapshotRef] = []
    crowd = [threading.Thread(target=lambda: found.append(keep(settled(collect(root)), workspace))) for _ in range(8)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert found == [expected] * 8
    assert len(Index(index(workspace)).load()) == 50
    assert json.loads(index(workspace).read_text())["source"] == str(root)
    assert SnapshotStore(workspace).list_partials() == []
    assert dataclasses.asdict(expected)["files"] == 50
