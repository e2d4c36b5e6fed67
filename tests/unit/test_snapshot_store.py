"""The store of snapshots: each content once, and the job gets the same tree."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmtf.errors import SnapshotError
from slurmtf.files import read_json
from slurmtf.snapshot import SnapshotStore, collect
from slurmtf.snapshot.store import reference
from slurmtf.submit.folder import Intent, build
from tests.unit.support import planned
from tests.unit.trees import fill, same, unpacked

# --- the store


def test_contents_are_stored_once(root: Path, workspace: Path) -> None:
    fill(root, "train.py", "sub/a.txt")
    store = SnapshotStore(workspace)
    first = store.keep(collect(root))
    files = sorted((workspace / ".slurmtf/snapshots").iterdir())
    facts = [(file, file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
    assert files == [store.path(first)]
    assert first == reference(collect(root))
    assert (first.files, first.bytes, len(first.id)) == (2, len("train.py") + len("sub/a.txt"), 32)
    assert SnapshotStore(workspace).keep(collect(root)) == first
    assert [(file, file.stat().st_ino, file.stat().st_mtime_ns) for file in sorted(store.path(first).parent.iterdir())] == facts


def test_the_id_is_of_the_content_alone(root: Path, tmp_path: Path, workspace: Path) -> None:
    other = tmp_path / "elsewhere"
    for folder in (root, other):
        fill(folder, "b.py", "a.py", "sub/c.py")
        (folder / "link").symlink_to("a.py")
    os.utime(other / "a.py", (1, 1))
    (other / "a.py").chmod(0o664)
    (other / "sub").chmod(0o755)
    store = SnapshotStore(workspace)
    kept = store.keep(collect(root))
    first = store.path(kept).read_bytes()
    store.path(kept).unlink()
    assert store.keep(collect(other)) == kept
    assert store.path(kept).read_bytes() == first


@pytest.mark.parametrize("change", ["content", "name", "link", "kind", "exec", "folder", "more"])
def test_every_change_is_another_content(root: Path, change: str) -> None:
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


def test_two_files_are_not_one_with_both_contents(tmp_path: Path) -> None:
    head = f"d\0file\0{0o600}\0"  # what could stand before the content of d in a stream without lengths
    contents = {"one": {"a": "bc", "d": ""}, "two": {"a": "b", "d": "c"}, "three": {"a": f"b{head}c"}}
    for folder, files in contents.items():
        for name, text in files.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_text(text, encoding="utf-8")
    assert len({reference(collect(tmp_path / folder)).id for folder in contents}) == 3


def test_runs_share_the_stored_file(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    store = SnapshotStore(workspace)
    kept = store.keep(collect(root))
    store.link(kept, str(workspace / "source.tar"))
    assert (workspace / "source.tar").stat().st_ino == store.path(kept).stat().st_ino
    store.path(kept).unlink()
    assert (workspace / "source.tar").read_bytes()


def test_a_file_system_without_hard_links(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")
    store = SnapshotStore(workspace)
    kept = store.keep(collect(root))

    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    target = workspace / "source.tar"
    store.link(kept, str(target))
    assert target.read_bytes() == store.path(kept).read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_everything_in_the_store_is_private(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    umask = os.umask(0)
    try:
        kept = SnapshotStore(workspace).keep(collect(root))
    finally:
        os.umask(umask)
    path = SnapshotStore(workspace).path(kept)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent, path.parent.parent, workspace)]
    assert modes == [0o600, 0o700, 0o700, 0o700]


def test_a_store_that_can_not_be_written_keeps_nothing_half(
    root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, "train.py")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("slurmtf.snapshot.store._write", full)
    with pytest.raises(OSError, match="No space left"):
        SnapshotStore(workspace).keep(collect(root))
    assert list((workspace / ".slurmtf/snapshots").iterdir()) == []


def test_a_file_that_changes_before_it_is_stored(root: Path, workspace: Path) -> None:
    fill(root, "train.py", text="old")
    contents = collect(root)
    planned = reference(contents)
    fill(root, "train.py", text="newer")
    kept = SnapshotStore(workspace).keep(contents)
    assert kept.id != planned.id
    assert kept == reference(collect(root))
    assert (unpacked(contents, workspace) / "train.py").read_text(encoding="utf-8") == "newer"


def test_a_file_that_changes_while_it_is_stored(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id is that of what was written, so that it never names another content."""
    fill(root, "train.py", text="old")
    contents = collect(root)
    texts = iter([b"one", b"two!"])
    monkeypatch.setattr(Path, "read_bytes", lambda path: next(texts))
    kept = SnapshotStore(workspace).keep(contents)
    monkeypatch.undo()
    fill(root, "train.py", text="two!")
    assert kept == reference(collect(root))
    assert list((workspace / ".slurmtf/snapshots").iterdir()) == [SnapshotStore(workspace).path(kept)]


def test_a_run_whose_source_changes_after_it_was_planned(source: Path, root: Path, workspace: Path) -> None:
    """Its plan names what the run has."""
    fill(root, "train.py", text="old")
    contents = collect(root)
    plan = planned(source)
    plan = dataclasses.replace(plan, snapshot=reference(contents), run=dataclasses.replace(plan.run, workspace=str(workspace)))
    fill(root, "train.py", text="newer")
    layout = build(plan, "", contents, Intent.of(plan), {})
    now = reference(collect(root))
    assert read_json(layout.plan)["snapshot"] == dataclasses.asdict(now)
    assert os.path.samefile(layout.source, SnapshotStore(workspace).path(now))  # noqa: PTH121


def test_a_file_that_is_gone_when_it_is_read(root: Path, workspace: Path) -> None:
    fill(root, "train.py", "gone.py")
    contents = collect(root)
    (root / "gone.py").unlink()
    with pytest.raises(SnapshotError, match=re.escape("gone.py: can't be read: No such file or directory")):
        SnapshotStore(workspace).keep(contents)


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


def test_names_of_all_kinds(root: Path, workspace: Path) -> None:
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


def test_the_job_has_a_copy_of_its_own(root: Path, workspace: Path) -> None:
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
def test_any_tree_comes_back(tmp_path_factory: pytest.TempPathFactory, entries: dict[str, bytes | str | None]) -> None:
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
