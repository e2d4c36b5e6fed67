"""The store of snapshots: each content is stored once, and the job gets the same tree."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmtf.errors import SnapshotError
from slurmtf.files import read_json
from slurmtf.plan import LaunchPlan
from slurmtf.snapshot import SnapshotStore, collect
from slurmtf.snapshot.contents import GONE
from slurmtf.submit.folder import Intent, build
from tests.unit.snapshot.trees import fill, keep, reference, same, settled, snapshot_of, unpacked
from tests.unit.support import planned, refusing

# --- the store


def inodes(workspace: Path) -> dict[Path, tuple[int, int]]:
    """Return the inodes of the store's files."""
    found = sorted((workspace / ".slurmtf/snapshots").iterdir())
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in found}


def stored(workspace: Path) -> list[Path]:
    """Return all files of the store except the index."""
    return [path for path in inodes(workspace) if path.suffix != ".index"]


def test_contents_are_stored_once(root: Path, workspace: Path) -> None:
    fill(root, "train.py", "sub/a.txt")
    first = keep(collect(root), workspace)
    facts = inodes(workspace)
    assert SnapshotStore(workspace).path(first) in facts
    assert first == reference(collect(root))
    assert (first.files, first.bytes, len(first.id)) == (2, len("train.py") + len("sub/a.txt"), 32)
    assert keep(collect(root), workspace) == first
    assert inodes(workspace) == facts


def test_the_id_depends_only_on_the_content(root: Path, tmp_path: Path, workspace: Path) -> None:
    other = tmp_path / "elsewhere"
    for folder in (root, other):
        fill(folder, "b.py", "a.py", "sub/c.py")
        (folder / "link").symlink_to("a.py")
    os.utime(other / "a.py", (1, 1))
    (other / "a.py").chmod(0o664)
    (other / "sub").chmod(0o755)
    kept = keep(collect(root), workspace)
    stored = SnapshotStore(workspace).path(kept)
    first = stored.read_bytes()
    stored.unlink()
    assert keep(collect(other), workspace) == kept
    assert stored.read_bytes() == first


@pytest.mark.parametrize("change", ["content", "name", "link", "kind", "exec", "folder", "more"])
def test_every_change_gives_another_id(root: Path, change: str) -> None:
    fill(root, "a.py", "sub/b.py")
    (root / "link").symlink_to("a.py")
    before = reference(collect(root)).id
    if change == "content":
        fill(root, "a.py", text="A.py")
    elif change == "name":
        (root / "a.py").rename(root / "c.py")
    elif change in ("link", "kind"):
        (root / "link").unlink()
        (root / "link").symlink_to("sub") if change == "link" else fill(root, "link", text="a.py")
    elif change == "exec":
        (root / "a.py").chmod(0o755)
    else:
        (root / "empty").mkdir() if change == "folder" else fill(root, "more")
    assert reference(collect(root)).id != before


def test_two_files_differ_from_one_with_both_contents(tmp_path: Path) -> None:
    head = f"d\0file\0{0o600}\0"  # what could precede the content of d in a stream without lengths
    contents = {"one": {"a": "bc", "d": ""}, "two": {"a": "b", "d": "c"}, "three": {"a": f"b{head}c"}}
    for folder, files in contents.items():
        for name, text in files.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_text(text, encoding="utf-8")
    assert len({reference(collect(tmp_path / folder)).id for folder in contents}) == 3


def test_runs_share_the_stored_file(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    store = SnapshotStore(workspace)
    workspace.mkdir()
    sources = [workspace / "one.tar", workspace / "two.tar"]
    kept = [store.take(snapshot_of(collect(root), workspace), str(source)).ref for source in sources]
    assert kept[0] == kept[1]
    path = store.path(kept[0])
    assert {source.stat().st_ino for source in sources} == {path.stat().st_ino}
    path.unlink()
    assert sources[0].read_bytes()


def no_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def no_ranges(*_: object) -> int:
    raise OSError(18, "Invalid cross-device link")


@pytest.mark.parametrize("ranges", [True, False])
def test_snapshots_are_copied_without_hard_links(
    root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch, ranges: bool
) -> None:
    fill(root, "train.py", text="x" * 3_000_000)
    monkeypatch.setattr(os, "link", no_links)
    if not ranges:
        monkeypatch.setattr(os, "copy_file_range", no_ranges)
    store = SnapshotStore(workspace)
    workspace.mkdir()
    for target in (workspace / "new.tar", workspace / "known.tar"):
        kept = store.take(snapshot_of(collect(root), workspace), str(target)).ref
        assert target.read_bytes() == store.path(kept).read_bytes()
        assert target.stat().st_ino != store.path(kept).stat().st_ino
        assert stat.S_IMODE(target.stat().st_mode) == 0o400


def test_a_stored_snapshot_removed_meanwhile_is_written_again(root: Path, workspace: Path) -> None:
    """From the source."""
    fill(root, "train.py")
    kept = keep(collect(root), workspace)
    snapshot = snapshot_of(collect(root), workspace)
    SnapshotStore(workspace).path(kept).unlink()
    target = workspace / "source.tar"
    assert SnapshotStore(workspace).take(snapshot, str(target)).ref == kept
    assert target.samefile(SnapshotStore(workspace).path(kept))


def test_everything_in_the_store_is_private(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    umask = os.umask(0)
    workspace.mkdir()
    try:
        kept = SnapshotStore(workspace).take(snapshot_of(settled(collect(root)), workspace), str(workspace / "source.tar")).ref
    finally:
        os.umask(umask)
    path = SnapshotStore(workspace).path(kept)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent, path.parent.parent)]
    assert modes == [0o400, 0o700, 0o700]
    assert [stat.S_IMODE(one.path.stat().st_mode) for one in SnapshotStore(workspace).list_indexes()] == [0o600]


def test_an_unwritable_store_keeps_no_partial_file(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("slurmtf.snapshot.archive.Archive.write", full)
    with pytest.raises(OSError, match="No space left"):
        keep(collect(root), workspace)
    assert stored(workspace) == []


def test_a_file_may_change_before_it_is_stored(root: Path, workspace: Path) -> None:
    fill(root, "train.py", text="old")
    contents = collect(root)
    planned = reference(contents)
    fill(root, "train.py", text="newer")
    kept = keep(contents, workspace)
    assert kept.id != planned.id
    assert kept == reference(collect(root))
    assert (unpacked(contents, workspace) / "train.py").read_text(encoding="utf-8") == "newer"


def test_a_file_may_change_while_it_is_stored(root: Path, workspace: Path) -> None:
    """The id is that of the written content, so that it never names another one."""
    fill(root, "train.py", text="one")
    workspace.mkdir()
    snapshot = snapshot_of(collect(root), workspace)
    fill(root, "train.py", text="two!")
    taken = SnapshotStore(workspace).take(snapshot, str(workspace / "source.tar"))
    assert taken.ref != snapshot.ref
    assert taken.ref == reference(collect(root))
    assert stored(workspace) == [SnapshotStore(workspace).path(taken.ref)]


def plan_for(source: Path, root: Path, workspace: Path) -> LaunchPlan:
    plan = planned(source)
    run = dataclasses.replace(plan.run, workspace=str(workspace))
    provenance = dataclasses.replace(plan.provenance, snapshot=reference(collect(root)))
    return dataclasses.replace(plan, provenance=provenance, run=run)


RECEIPT = {"source": {"git": None}}


def test_a_source_may_change_after_the_plan(source: Path, root: Path, workspace: Path) -> None:
    """The plan names the content that the run has."""
    fill(root, "train.py", text="old")
    plan, snapshot = plan_for(source, root, workspace), snapshot_of(collect(root), workspace)
    fill(root, "train.py", text="newer")
    layout = build(plan, "", snapshot, Intent.from_plan(plan), RECEIPT)
    now = reference(collect(root))
    assert read_json(layout.plan)["provenance"]["snapshot"] == dataclasses.asdict(now)
    assert Path(layout.source).samefile(SnapshotStore(workspace).path(now))


def test_a_file_may_be_removed_before_it_is_read(source: Path, root: Path, workspace: Path) -> None:
    """The snapshot equals the source as it is now, and the receipt shows it."""
    fill(root, "train.py", "gone.py")
    plan, snapshot = plan_for(source, root, workspace), snapshot_of(collect(root), workspace)
    (root / "gone.py").unlink()
    layout = build(plan, "", snapshot, Intent.from_plan(plan), RECEIPT)
    assert read_json(layout.plan)["provenance"]["snapshot"] == dataclasses.asdict(reference(collect(root)))
    assert read_json(layout.receipt)["source"]["left_out"] == [f"gone.py ({GONE})"]


def test_an_entry_script_removed_before_it_is_read_is_refused(source: Path, root: Path, workspace: Path) -> None:
    fill(root, "train.py", "other.py")
    plan, snapshot = plan_for(source, root, workspace), snapshot_of(collect(root), workspace)
    (root / "train.py").unlink()
    with refusing(SnapshotError, "script-left-out"):
        build(plan, "", snapshot, Intent.from_plan(plan), RECEIPT)
    assert not Path(plan.run.folder).exists()
    assert not list((workspace / ".slurmtf/staging").iterdir())
    assert not list((workspace / ".slurmtf/intents").iterdir())


# --- the job's copy

ODD = [
    "a b",
    "-x",
    "a\nb",
    "a\rb",
    "tab\t",
    "é",
    "漢字",
    "\udcff\udcfe",
    "q'\"",
    "back\\slash",
    "*",
    "$HOME",
    "x" * 255,
    "...",
    "~",
    "a:b",
]


def test_names_of_all_kinds_are_restored(root: Path, workspace: Path) -> None:
    fill(root, *ODD, *(f"folder {name[:200]}/{name}" for name in ODD))
    (root / "link\n\udcff").symlink_to("\udcff\udcfe")
    contents = collect(root)
    assert contents.files == 2 * len(ODD) + 1
    assert same(unpacked(contents, workspace), root)


def test_the_job_gets_the_same_tree(root: Path, workspace: Path) -> None:
    fill(root, "train.py", "sub/deep/a.txt", "sub/b.txt", ".hidden", ".config/c")
    (root / "empty").mkdir()
    (root / "no content").touch()
    (root / "binary").write_bytes(bytes(range(256)) * 100)
    fill(root, "run.sh")
    (root / "run.sh").chmod(0o755)
    (root / "sub/link").symlink_to("deep/a.txt")
    (root / "dangling").symlink_to("nowhere")
    work = unpacked(collect(root), workspace)
    assert same(work, root)
    assert stat.S_IMODE((work / "run.sh").stat().st_mode) == 0o700
    assert stat.S_IMODE((work / "train.py").stat().st_mode) == 0o600


def test_the_job_has_its_own_copy(root: Path, workspace: Path) -> None:
    fill(root, "train.py", text="one")
    contents = collect(root)
    first, second = unpacked(contents, workspace), unpacked(contents, workspace)
    (first / "train.py").write_text("changed", encoding="utf-8")
    assert (second / "train.py").read_text(encoding="utf-8") == "one"
    assert (root / "train.py").read_text(encoding="utf-8") == "one"


PART = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=8) | st.binary(
    min_size=1, max_size=8
).map(lambda data: os.fsdecode(data.replace(b"\0", b"x").replace(b"/", b"x")))
NAME = PART.filter(lambda name: name not in (".", "..") and len(os.fsencode(name)) < 100)


@given(st.dictionaries(NAME, st.binary(max_size=50) | st.none() | NAME, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_is_restored(tmp_path_factory: pytest.TempPathFactory, entries: dict[str, bytes | str | None]) -> None:
    base = tmp_path_factory.mktemp("tree")
    root = base / "source"
    root.mkdir()
    for name, content in entries.items():
        path = root / f"_{name}"
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.symlink_to(f"_{content}")
    assert same(unpacked(collect(root), base / "workspace"), root)
